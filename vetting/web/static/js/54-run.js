// The page of a run: times that count on, the stage that is looked at, copy buttons.
(() => {
  const page = document.getElementById("run");
  const showCopy = () => { for (const one of document.querySelectorAll("[data-copy][hidden]")) one.hidden = false; };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    const place = button && document.getElementById(button.dataset.copy);
    if (!place) return;
    try { await navigator.clipboard.writeText(place.textContent); button.textContent = "Copied"; } catch {
      getSelection().selectAllChildren(place); button.textContent = "Selected: press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2500);
  });
  showCopy();
  if (!page) return;

  // What a person opened, and which stage was picked, outlives what the stream brings.
  htmx.config.morphIgnore = [...htmx.config.morphIgnore, "open", "data-picked", "aria-current"];

  // As `duration` in report/text.py says it.
  const two = (n) => String(n).padStart(2, "0");
  const duration = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s}\u00a0s`;
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    if (h === 0) return `${m}\u00a0min\u00a0${two(s % 60)}\u00a0s`;
    return h < 24 ? `${h}\u00a0h\u00a0${two(m)}\u00a0min` : `${Math.floor(h / 24)}\u00a0d\u00a0${two(h % 24)}\u00a0h\u00a0${two(m)}\u00a0min`;
  };
  const tick = () => {
    const now = Date.now() / 1000 + Number(document.documentElement.dataset.skew || 0);
    for (const one of page.querySelectorAll("time[data-since]")) {
      const text = duration(now - Number(one.dataset.since));
      if (one.textContent !== text) one.textContent = text;
    }
    for (const one of page.querySelectorAll("progress[data-since]")) one.value = Math.min(one.max, now - Number(one.dataset.since));
  };
  setInterval(tick, 1000);

  // The stage that is looked at: the one that was picked; until then the one that runs.
  const place = document.getElementById("stage"), run = page.dataset.run;
  let picked = "picked" in page.dataset, asked = 0, again = null;
  const shown = () => place.querySelector("[data-detail]")?.dataset.detail || "";
  const markPicked = () => {
    for (const link of page.querySelectorAll("a[data-stage]")) {
      const mine = link.dataset.stage === shown();
      link.closest("li").toggleAttribute("data-picked", mine);
      if (mine) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    }
  };
  const look = async (stage) => {
    const mine = ++asked;
    await htmx.ajax("GET", `/runs/${run}/stages/${stage}`, { target: "#stage", swap: stage === shown() ? "innerMorph ignoreTitle:true" : "innerHTML ignoreTitle:true" });
    if (mine === asked) markPicked();
  };
  page.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-stage]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    picked = true;
    history.replaceState(null, "", `/runs/${run}?stage=${link.dataset.stage}`);
    look(link.dataset.stage).then(() => { if (place.getBoundingClientRect().top > innerHeight * .8 || place.getBoundingClientRect().top < 0) place.scrollIntoView({ block: "start" }); });
  });
  document.addEventListener("htmx:sse:after:message", () => {
    showCopy(); markPicked(); tick();
    const running = page.querySelector("a[data-stage][data-runs]")?.dataset.stage;
    if (!picked && running && running !== shown()) look(running);
  });
  const refresh = (stage) => { if (!stage || stage === shown()) { clearTimeout(again); again = setTimeout(() => shown() && look(shown()), 300); } };
  document.addEventListener("stage", ({ detail }) => { const told = JSON.parse(detail.data); if (String(told.run) === run) refresh(told.stage); });
  document.addEventListener("resync", () => refresh(""));
  markPicked(); tick();
})();
