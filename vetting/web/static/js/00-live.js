// The page's stream: says when the connection is gone, reloads when the session is, keeps favicon and ages right.
(() => {
  const say = (text) => { const place = document.getElementById("connection"); if (place) place.textContent = text; };
  let lost = null;
  document.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status === 401) load();
    lost ??= setTimeout(() => { say("○ Not connected, trying again"); document.body.dataset.offline = ""; }, 1500);
  });
  document.addEventListener("htmx:sse:after:connection", () => {
    clearTimeout(lost); lost = null; say(""); delete document.body.dataset.offline;
  });
  const load = () => { location.href = location.pathname + location.search; }; // not `reload`, which would post a form again
  document.addEventListener("signed-out", load);

  const favicon = () => {
    const worst = document.getElementById("banner")?.dataset.worst, link = document.getElementById("favicon");
    if (worst && link && link.dataset[worst] && !link.href.endsWith(link.dataset[worst])) link.href = link.dataset[worst];
  };
  document.addEventListener("htmx:sse:after:message", favicon);
  document.addEventListener("vetting:worst", favicon);

  // As `round_duration` in looks.py says it.
  const age = (seconds) => {
    const s = Math.max(0, seconds);
    if (s < 90) return `${Math.round(s)}\u00a0s`;
    if (s < 5400) return `${Math.round(s / 60)}\u00a0min`;
    if (s < 172800) { const h = s / 3600; return `${h < 10 ? Math.round(h * 10) / 10 : Math.round(h)}\u00a0h`; }
    return `${(s / 86400).toFixed(1)}\u00a0days`;
  };
  // The appliance's clock is the one that counts: a laptop's on an air-gapped network may be hours off.
  const root = document.documentElement.dataset;
  if (root.now) root.skew = (Number(root.now) - Date.now() / 1000).toFixed(1);
  const skew = () => Number(document.documentElement.dataset.skew || 0);
  const tick = () => {
    const now = Date.now() / 1000 + skew();
    for (const one of document.querySelectorAll("time[data-age]")) {
      const text = age(now - Number(one.dataset.age));
      if (one.textContent !== text) one.textContent = text;
    }
  };
  setInterval(tick, 1000);
})();
