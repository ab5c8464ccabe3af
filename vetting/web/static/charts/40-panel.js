// A chart's figure: the plot, its legend, its breaches in words; made when it comes into view.
RunCharts.panel = (chart, data, hooks) => {
  const { element, number, figure, elapsed, clock, swatch } = RunCharts;
  const units = chart.unit ? `\u00a0${chart.unit}` : "";
  const since = (ms) => elapsed((ms - data.begin_ms) / 1000);
  const STALE_MS = 30_000;
  const short = (name) => (name.includes(".") ? name.slice(name.indexOf(".") + 1) : name); // the chart's title says the family

  const place = element("div", { className: "plot", tabIndex: 0, role: "group", "aria-label": `Chart: ${chart.title}. Arrow keys move through time, plus and minus zoom.` });
  const said = element("p", { className: "unseen", "aria-live": "polite" });
  const when = element("th", { scope: "col", className: "n", textContent: "Last" });
  const words = element("ul", { className: "chart-breaches plain" });
  const cells = new Map();
  const body = element("tbody");
  const broken = (name) => chart.breaches.some((one) => one.series === name);
  chart.lines.forEach((line, n) => {
    const cell = { last: element("td", { className: "n" }), low: element("td", { className: "n" }), high: element("td", { className: "n" }), name: element("th", { scope: "row", className: "mono", title: line.name }, short(line.name)) };
    cells.set(line.id, cell);
    body.append(element("tr", {}, element("td", {}, swatch(n)), cell.name, cell.last, cell.low, cell.high));
  });
  if (chart.rest) {
    body.append(element("tr", {}, element("td", {}, swatch(null)), element("th", { scope: "row" }, `${chart.rest.count} further, all in the table`), element("td"), element("td"), element("td")));
  }
  const table = element("table", {}, element("thead", {}, element("tr", {},
    element("th", { scope: "col" }, element("span", { className: "unseen", textContent: "Line" })), element("th", { scope: "col", textContent: "Series" }), when,
    element("th", { scope: "col", className: "n", textContent: "Lowest" }), element("th", { scope: "col", className: "n", textContent: "Highest" }))), body);
  const drawing = element("figure", { className: "chart" }, element("figcaption", {}, chart.title),
    element("div", { className: "chart-row" }, place, element("div", { className: "legend" }, table)), said, words);

  let plot = null, at = null; // at: seconds of the cursor, null where there is none
  const legend = () => {
    const now = at === null || !plot;
    when.textContent = now ? "Last" : `at ${elapsed(at)}`;
    const largest = Math.max(...chart.lines.map((line) => Math.max(Math.abs(line.most ?? 0), Math.abs(line.least ?? 0))));
    chart.lines.forEach((line, n) => {
      const cell = cells.get(line.id), stale = now && hooks.endMs() - line.last_ms > STALE_MS;
      cell.last.textContent = figure(now ? line.last : plot.under(n), largest, chart.unit);
      cell.last.classList.toggle("stale", stale);
      cell.last.title = stale ? `last heard of at ${since(line.last_ms)}` : "";
      cell.low.textContent = figure(line.least, largest, chart.unit); cell.high.textContent = figure(line.most, largest, chart.unit);
      const sign = cell.name.querySelector(".mark");
      if (broken(line.name) && !sign) cell.name.append(" ", element("span", { className: "mark bad" }, "✗ breach"));
    });
  };
  const breaches = () => words.replaceChildren(...chart.breaches.map((one) => element("li", {},
    element("span", { className: `mark ${one.severity === "critical" ? "bad" : "warn"}` }, `${one.severity === "critical" ? "✗" : "△"} ${one.severity}`), ` ${one.text}`,
    element("span", { className: "soft" }, one.open ? `, since ${since(one.first_ms)} and still so` : `, ${since(one.first_ms)} to ${since(one.last_ms)}`))));

  const tell = () => {
    const values = chart.lines.map((line, n) => [line, plot.under(n)]).filter(([, value]) => value !== null);
    const ms = data.begin_ms + at * 1000, over = chart.breaches.some((one) => ms >= one.first_ms && (one.open || ms <= one.last_ms));
    said.textContent = `${elapsed(at)}, ${clock(ms)}: ` + (values.length
      ? values.map(([line, value]) => `${line.name} ${number(value)}${units}`).join(", ") : "nothing was measured") + (over ? "; in a breach of a limit" : "");
  };
  const go = (index) => {
    const times = plot.u.data[0], { min, max } = plot.u.scales.x;
    const bounded = Math.min(Math.max(index, 0), times.length - 1);
    if (!times.length) return;
    if (times[bounded] < min || times[bounded] > max) hooks.zoom([Math.max(0, times[bounded] - (max - min) / 2), times[bounded] + (max - min) / 2]);
    plot.u.setCursor({ left: plot.u.valToPos(times[bounded], "x"), top: 20 }, true, true); // and those of the other charts
    at = times[bounded]; legend(); tell();
  };
  const KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
  place.addEventListener("keydown", (event) => {
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = plot.u.scales.x, middle = at ?? (min + max) / 2, quarter = (max - min) / 4;
    const index = at === null ? plot.u.data[0].length - 1 : plot.u.valToIdx(at);
    if (event.key in KEYS) go(at === null ? index : index + KEYS[event.key] * (event.shiftKey ? 10 : 1));
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(plot.u.data[0].length - 1);
    else if (event.key === "+" || event.key === "=") hooks.zoom([middle - quarter, middle + quarter]);
    else if (event.key === "-") hooks.zoom(max - min >= hooks.end() / 2 ? null : [middle - quarter * 4, middle + quarter * 4]);
    else if (event.key === "0" || event.key === "Escape") { hooks.zoom(null); hooks.away(); said.textContent = ""; }
    else return;
    event.preventDefault();
  });
  place.addEventListener("blur", () => { hooks.away(); said.textContent = ""; });

  const make = () => {
    if (plot) return;
    plot = RunCharts.plot(place, chart, data, {
      ...hooks,
      cursor: (seconds) => { at = seconds; legend(); hooks.at(at); },
    });
    drawing.dataset.drawn = "";
    hooks.made(panel);
  };
  let visible = false, late = false; // late: there is news that was not drawn, for nobody saw it
  const seen = new IntersectionObserver((entries) => {
    visible = entries[entries.length - 1].isIntersecting;
    if (!visible) return;
    if (!plot) make();
    else if (late) panel.draw();
  }, { rootMargin: "300px" });
  const sized = new ResizeObserver(() => requestAnimationFrame(() => plot?.fit()));
  seen.observe(drawing); sized.observe(place);

  const waiting = []; // live samples from before it was made
  const panel = {
    chart, figure: drawing,
    get plot() { return plot; },
    put: (id, seconds, low, high, mean) => {
      if (!plot) { waiting.push([id, seconds, low, high, mean]); return; }
      plot.put(id, seconds, low, high, mean);
    },
    caughtUp: () => { for (const one of waiting.splice(0)) plot.put(...one); },
    last: (id, ms, value) => {
      const line = chart.lines.find((one) => one.id === id);
      if (line && ms >= line.last_ms) { line.last = value; line.last_ms = ms; }
    },
    range: (id, low, high) => {
      const line = chart.lines.find((one) => one.id === id);
      if (line) { line.least = line.least === null ? low : Math.min(line.least, low); line.most = line.most === null ? high : Math.max(line.most, high); }
    },
    shows: (id) => chart.lines.some((one) => one.id === id) || Boolean(chart.rest?.ids.includes(id)),
    draw: () => { late = !visible; if (visible) { plot?.draw(); legend(); } },
    away: () => { if (at !== null) { plot.u.setCursor({ left: -10, top: -10 }); at = null; legend(); } },
    legend, breaches,
    redraw: () => plot?.redraw(),
    destroy: () => { seen.disconnect(); sized.disconnect(); plot?.u.destroy(); },
  };
  legend(); breaches();
  return panel;
};
