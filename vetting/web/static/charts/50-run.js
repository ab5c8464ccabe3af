// The charts of a run's page: fetched once, then kept up by the page's stream; afresh whenever something was missed.
(() => {
  const { element, elapsed, moment, number, onScheme } = RunCharts;
  const begin = (section) => {
    const run = Number(section.dataset.run), key = `charts-${run}`;
    const all = section.querySelector("[data-charts]"), bar = section.querySelector("[data-charts-bar]"), reset = section.querySelector("[data-reset]");
    const empty = section.querySelector("[data-empty]"), news = section.querySelector("[data-news]");
    const MOST_LIVE = 900; // rows of a chart beyond which everything is fetched afresh, in stretches
    const EVERY_MS = 2000;
    let data = null, panels = [], window_ = null, finer = null, endMs = 0, missed = [], asking = false, again = false, askedAt = 0, timer = 0, frame = 0;

    const end = () => (endMs - data.begin_ms) / 1000;
    const hooks = {
      key,
      end, endMs: () => endMs,
      range: () => window_ ?? [0, Math.max(end(), 10)],
      zoom: (wanted) => zoom(wanted),
      at: (seconds) => say(seconds),
      away: () => { for (const panel of panels) panel.away(); say(); },
      made: (panel) => { panel.caughtUp(); if (finer) showFiner(panel); else panel.draw(); },
    };
    const say = (seconds = null) => {
      if (!data) return;
      bar.textContent = seconds === null
        ? `Time since ${moment(data.begin_ms)}, hours:minutes:seconds. ${number(data.series)} series, ${number(data.samples)} samples` + (data.left_out ? `; ${number(data.left_out)} series are in the report alone` : "")
        : `${elapsed(seconds)} is ${moment(data.begin_ms + seconds * 1000)}`;
    };

    const build = (fresh) => {
      const kept = document.activeElement?.closest?.("figure.chart")?.dataset.key;
      for (const panel of panels) panel.destroy();
      data = fresh; endMs = data.end_ms;
      panels = data.charts.map((chart) => {
        const panel = RunCharts.panel(chart, data, hooks);
        panel.figure.dataset.key = chart.key;
        return panel;
      });
      // Those with many lines have the whole width, the others stand in pairs; one that is left over has it too.
      const narrow = panels.filter((one) => one.chart.lines.length <= 6 && !one.chart.rest);
      const pairs = new Set(narrow.length % 2 ? narrow.slice(1) : narrow);
      for (const panel of panels) { panel.figure.classList.toggle("wide", !pairs.has(panel)); panel.figure.classList.toggle("tall", !narrow.includes(panel)); }
      all.replaceChildren(...panels.map((one) => one.figure));
      if (kept) panels.find((one) => one.chart.key === kept)?.figure.querySelector(".plot").focus({ preventScroll: true });
      empty.hidden = panels.length > 0; bar.hidden = !panels.length;
      empty.textContent = data.ended ? "No sample was kept of this run." : "No samples yet: thermals arrive every 5 s once the agent has claimed the run.";
      section.dataset.state = "ready"; section.dataset.fetched = String(Number(section.dataset.fetched || 0) + 1);
      say();
      if (window_) fetchFiner();
    };

    const ask = async () => {
      if (asking) { again = true; return; }
      asking = true; again = false; askedAt = performance.now();
      try {
        const answer = await fetch(section.dataset.src, { headers: { Accept: "application/json" } });
        if ([401, 403, 404].includes(answer.status) || answer.redirected) return; // signed out, or the run is gone
        if (!answer.ok) throw new Error(String(answer.status));
        build(await answer.json());
        for (const one of missed.splice(0)) take(one);
      } catch {
        soon(3000 + Math.random() * 2000); // the server is away: what came meanwhile is in the next answer
      } finally {
        asking = false;
        if (again) soon();
      }
    };
    const soon = (wait = 0) => {
      if (timer) return;
      const due = Math.max(wait, askedAt + EVERY_MS - performance.now(), 0);
      timer = setTimeout(() => { timer = 0; ask(); }, due + Math.random() * 300);
    };

    const drawSoon = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        for (const panel of panels) { if (!finer) panel.draw(); else panel.legend(); }
        if (panels.some((one) => one.plot && one.plot.size > MOST_LIVE)) soon();
      });
    };
    const take = (told) => {
      if (told.afresh) { soon(); return; }
      const shift = data.begin_ms / 1000;
      for (const [id, second, low, high, mean] of told.points) {
        if ((second + 1) * 1000 <= data.end_ms) continue; // in the stretches already
        const panel = panels.find((one) => one.shows(id));
        panel?.put(id, second + 0.5 - shift, low, high, mean);
        panel?.range(id, low, high);
        endMs = Math.max(endMs, second * 1000 + 500);
      }
      for (const [id, ms, value] of told.last) { endMs = Math.max(endMs, ms); panels.find((one) => one.shows(id))?.last(id, ms, value); }
      drawSoon();
    };
    const breach = (told) => {
      const panel = panels.find((one) => one.chart.lines.some((line) => line.id === told.id));
      const unit = panel?.chart.unit ? `\u00a0${panel.chart.unit}` : "";
      const text = `${told.series} reached ${told.worst === null ? "not a number" : number(told.worst)}, limit ${told.op} ${number(told.limit)}${unit}`;
      if (told.change === "opened") news.textContent = `Breach: ${text}`;
      if (!panel) { soon(); return; }
      const known = panel.chart.breaches.find((one) => one.series === told.series && one.first_ms === told.first_ms && one.open);
      const now = { severity: told.severity, series: told.series, first_ms: told.first_ms, last_ms: told.last_ms, worst: told.worst, text, open: told.change !== "closed" };
      if (known) Object.assign(known, now); else panel.chart.breaches.push(now);
      panel.breaches(); drawSoon();
    };

    const zoom = (wanted) => {
      if (wanted) {
        const low = Math.max(0, wanted[0]), high = Math.min(wanted[1], Math.max(end(), 10));
        if (high - low < 2) return;
        window_ = [low, high];
      } else window_ = null;
      finer = null; reset.hidden = !window_;
      for (const panel of panels) panel.plot?.piece(null);
      if (window_) fetchFiner();
    };
    const fetchFiner = async () => {
      const wanted = window_, [low, high] = wanted.map((one) => Math.round(data.begin_ms + one * 1000));
      if (data.stretch_ms <= 1000) return; // as fine as it gets
      try {
        const answer = await fetch(`${section.dataset.src}?from=${low}&to=${high}`, { headers: { Accept: "application/json" } });
        if (!answer.ok || window_ !== wanted) return;
        finer = await answer.json();
        for (const panel of panels) if (panel.plot) showFiner(panel);
      } catch { /* the coarse lines stay */ }
    };
    const showFiner = (panel) => {
      const piece = finer.charts.find((one) => one.key === panel.chart.key);
      if (piece) panel.plot.piece(piece, finer);
    };

    const heard = (act) => (event) => {
      const told = JSON.parse(event.detail.data);
      if (told.run === run) act(told);
    };
    document.addEventListener("samples", heard((told) => { if (!data || asking) missed.push(told); if (data) take(told); }));
    document.addEventListener("breach", heard((told) => { if (data) breach(told); else soon(); }));
    document.addEventListener("resync", () => soon());
    reset.addEventListener("click", () => { zoom(null); panels[0]?.figure.querySelector(".plot").focus({ preventScroll: true }); });
    onScheme(() => { for (const panel of panels) panel.redraw(); });
    ask();
  };
  const section = document.getElementById("run-charts");
  if (section) begin(section);
})();
