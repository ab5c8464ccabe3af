// A browser holds six connections to one server. Pages in the background let their stream go, so that the next one opens;
// one of all that are open, wherever it is, keeps listening and tells the others the worst, for their favicons.
(() => {
  const PATIENCE_MS = 5000;
  const live = document.getElementById("live");
  if (!live) return;
  let listens = !navigator.locks, paused = false, connection = null, seen = "", timer = 0;
  const others = "BroadcastChannel" in window ? new BroadcastChannel("vetting") : null;

  const pause = () => { if (document.hidden && !listens) { paused = true; connection?.reader?.cancel(); } };
  const resume = () => { clearTimeout(timer); if (paused) { paused = false; again(); } };
  const again = () => htmx.trigger(live, "again"); // nothing happens where the stream is still there
  navigator.locks?.request("vetting-listens", () => new Promise(() => { listens = true; resume(); }));
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(pause, PATIENCE_MS); else resume();
  });

  document.addEventListener("htmx:sse:before:connection", (event) => { if (paused) event.detail.connection.cancelled = true; });
  document.addEventListener("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
    if (paused) setTimeout(() => { if (paused) connection.reader?.cancel(); });
  });
  document.addEventListener("htmx:sse:close", () => setTimeout(() => { if (!paused) again(); }));
  // What was seen last is told to the server, so that nothing is missed in between.
  document.addEventListener("htmx:sse:before:message", (event) => { seen = event.detail.message.id || seen; });
  document.addEventListener("htmx:config:request", (event) => {
    const ctx = event.detail.ctx;
    if (ctx.sourceElement === live && seen) ctx.request.headers["Last-Event-ID"] = seen;
  });

  const banner = () => document.getElementById("banner");
  let told = "";
  document.addEventListener("htmx:sse:after:message", () => {
    const worst = banner()?.dataset.worst;
    if (worst && worst !== told) { told = worst; others?.postMessage(worst); }
  });
  others?.addEventListener("message", (event) => {
    if (!paused || !banner()) return;
    banner().dataset.worst = event.data;
    document.dispatchEvent(new Event("vetting:worst"));
  });
})();
