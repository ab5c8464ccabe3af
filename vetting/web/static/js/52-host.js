// A mistake's line is shown where it is; the state of a host's reporter is asked again when it would have fallen silent.
(() => {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-line]"), editor = document.getElementById("spec");
    if (!link || !editor) return;
    event.preventDefault();
    const lines = editor.value.split("\n"), line = Math.min(Math.max(Number(link.dataset.line), 1), lines.length);
    const begin = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    editor.focus();
    editor.setSelectionRange(begin, begin + lines[line - 1].length);
    const high = editor.scrollHeight / lines.length;
    editor.scrollTop = Math.max(0, (line - 4) * high);
  });
  // The start form: what is refused cannot be chosen, and what is still lacking is said beside the button.
  const form = () => document.getElementById("start-form");
  const look = () => {
    const it = form();
    if (!it) return;
    for (const way of it.querySelectorAll(".way-now")) {
      const radio = it.querySelector(`[name="start_by"][value="${way.id.replace("start-way-", "")}"]`);
      radio.disabled = "refused" in way.dataset;
      if (radio.disabled) radio.checked = false;
    }
    const ways = [...it.querySelectorAll('[name="start_by"]')];
    const first = ways[0];
    if (!ways.some((one) => one.checked) && first.value === "reporter" && !first.disabled) first.checked = true;
    const typed = document.getElementById("typed"), gentle = document.getElementById("non-destructive").checked;
    const lacks = [];
    if (!ways.some((one) => !one.disabled)) lacks.push("no way to start it is open now");
    else if (!ways.some((one) => one.checked)) lacks.push("choose how it comes");
    if (typed && !gentle && typed.value.trim() !== typed.dataset.host) lacks.push("type the host\u2019s name to erase its disks");
    document.getElementById("start-button").disabled = lacks.length > 0;
    const says = document.getElementById("start-lacks"), text = lacks.length ? `Still to do: ${lacks.join("; ")}.` : "";
    if (says.textContent !== text) says.textContent = text;
  };
  document.addEventListener("input", (event) => { if (event.target.form && event.target.form === form()) look(); });
  document.addEventListener("htmx:sse:after:message", look);
  document.addEventListener("htmx:after:swap", look);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", look); else look();

  const skew = () => Number(document.documentElement.dataset.skew || 0);
  setInterval(() => {
    for (const one of document.querySelectorAll("[data-fresh-until]")) {
      if (Date.now() / 1000 + skew() < Number(one.dataset.freshUntil) + 1) continue;
      delete one.dataset.freshUntil;
      htmx.ajax("GET", location.href, { target: `#${one.id}`, select: `#${one.id}`, swap: "outerMorph" });
    }
  }, 1000);
})();
