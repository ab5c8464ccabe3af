// The fleet: finds hosts while typing, and asks for the list again when it may be another one.
(() => {
  const form = document.getElementById("filter"), least = 2000;
  document.documentElement.classList.add("scripted");
  if (!document.getElementById("hosts")) return;
  if (!form) document.addEventListener("fleet", () => location.assign("/")); // the first host of all

  const query = (withView) => {
    const said = form ? new URLSearchParams(new FormData(form)) : new URLSearchParams(location.search);
    const usual = { q: "", show: "all", sort: "attention", view: "" };
    for (const [name, value] of Object.entries(usual)) if (said.get(name) === value) said.delete(name);
    if (withView) said.set("view", withView);
    return said.toString() ? `/?${said}` : "/";
  };
  let due = null, asking = false, again = false, last = 0, took = 0;
  const ask = async () => {
    due = null;
    if (asking) { again = true; return; }
    asking = true; last = performance.now();
    try {
      await htmx.ajax("GET", query(viewNow()), { target: "#hosts", select: "#hosts", swap: "outerMorph ignoreTitle:true" });
    } finally {
      took = performance.now() - last; asking = false;
      if (again) { again = false; later(0); }
    }
  };
  // Of itself not more often than every two seconds, and never for more than a tenth of the time.
  const later = (wait) => { due ??= setTimeout(ask, wait); };
  const soon = () => {
    if (document.hidden) { again = true; return; }
    later(Math.max(300 + Math.random() * 400, least - (performance.now() - last), took * 10 - (performance.now() - last)));
  };
  let chosen = form?.elements.view.value ?? "";
  const viewNow = () => form?.elements.view.value || document.getElementById("hosts").dataset.view;

  const changed = () => {
    history.replaceState(null, "", query());
    if (form.elements.view.value !== chosen) { location.assign(query()); return; } // other pieces come live for it
    clearTimeout(due); due = null; ask();
  };
  let typing = null;
  form?.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(changed, event.target.name === "q" ? 200 : 0);
  });
  form?.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); changed(); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    event.preventDefault(); form?.elements.q.focus(); form?.elements.q.select();
  });

  document.addEventListener("fleet", soon);
  document.addEventListener("resync", soon);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) { again = false; soon(); } });
  // A host falls silent without a word: the list says so when the time for it has come.
  setInterval(() => {
    const before = Date.now() / 1000 + Number(document.documentElement.dataset.skew || 0) - 60;
    const hosts = document.getElementById("hosts");
    if (hosts && [...hosts.querySelectorAll(".beat:not(.silent)[data-beat]")].some((one) => Number(one.dataset.beat) < before)) soon();
  }, 5000);
})();
