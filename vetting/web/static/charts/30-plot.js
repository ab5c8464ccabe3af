// One chart: lines with their bands, stages, limits and breaches, over the numbers that `rows` keeps.
RunCharts.plot = (place, chart, data, hooks) => {
  const { tokens, clear, number, elapsed, DASHES } = RunCharts;
  const FONT = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif';
  const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];
  const TOP = 20, phone = () => place.clientWidth < 420;
  const rest = chart.rest ? 2 : 0;
  const meanOf = (n) => 1 + rest + n * 3 + 2; // uPlot's series: 0 time, then high and low of the rest, then high, low, mean of each line
  const since = (ms) => (ms - data.begin_ms) / 1000;
  const end = () => hooks.end();

  const reach = (u, low, high) => {
    if (low === null || low === undefined) [low, high] = [0, 1];
    for (const one of chart.breaches) {
      if (one.worst === null || since(one.first_ms) > u.scales.x.max || (!one.open && since(one.last_ms) < u.scales.x.min)) continue;
      low = Math.min(low, one.worst); high = Math.max(high, one.worst);
    }
    const far = Math.max(high - low, Math.abs(high), Math.abs(low), 1e-9);
    for (const limit of chart.limits) {
      if (limit.value >= low - far && limit.value <= high + far) { low = Math.min(low, limit.value); high = Math.max(high, limit.value); }
    }
    if ((low >= 0 && low <= (high - low) * 0.6) || (chart.from_zero && low > 0)) low = 0;
    const margin = (high - low) * 0.08 || Math.max(Math.abs(high) * 0.05, 0.5);
    return [low === 0 ? 0 : low - margin, high + margin];
  };

  const box = (u) => ({ left: u.bbox.left, top: u.bbox.top, right: u.bbox.left + u.bbox.width, bottom: u.bbox.top + u.bbox.height });
  const x = (u, seconds) => Math.min(Math.max(u.valToPos(seconds, "x", true), u.bbox.left), u.bbox.left + u.bbox.width);
  const text = (u, said, left, bottom, color, { bold = false, right = false } = {}) => {
    const { ctx } = u;
    ctx.font = `${bold ? "600 " : ""}${12 * uPlot.pxRatio}px system-ui, "DejaVu Sans", Arial, sans-serif`;
    ctx.textAlign = right ? "right" : "left"; ctx.textBaseline = "alphabetic"; ctx.lineJoin = "round";
    ctx.strokeStyle = tokens.panel; ctx.lineWidth = 4 * uPlot.pxRatio; ctx.strokeText(said, left, bottom);
    ctx.fillStyle = color; ctx.fillText(said, left, bottom);
  };

  const under = (u) => {
    const { ctx } = u, area = box(u), px = uPlot.pxRatio;
    ctx.save();
    data.stages.forEach((stage, n) => {
      const left = x(u, since(stage.begin_ms)), right = x(u, stage.end_ms === null ? end() : since(stage.end_ms));
      if (right <= area.left || left >= area.right || right - left < px) return;
      if (n % 2) { ctx.fillStyle = clear(tokens.soft, 9); ctx.fillRect(left, area.top, right - left, area.bottom - area.top); }
      ctx.fillStyle = tokens.line; ctx.fillRect(left, area.top - 14 * px, px, area.bottom - area.top + 14 * px);
      const said = stage.attempt > 1 ? `${stage.name} #${stage.attempt}` : stage.name;
      ctx.font = `${12 * px}px system-ui, "DejaVu Sans", Arial, sans-serif`;
      if (ctx.measureText(said).width + 8 * px < right - left) text(u, said, left + 4 * px, area.top - 5 * px, tokens.soft);
    });
    for (const breach of chart.breaches) {
      const left = x(u, since(breach.first_ms)), right = x(u, breach.open ? end() : since(breach.last_ms));
      if (since(breach.first_ms) > u.scales.x.max || (!breach.open && since(breach.last_ms) < u.scales.x.min)) continue;
      ctx.fillStyle = clear(tokens.bad, 17);
      ctx.fillRect(left, area.top, Math.max(right - left, 2 * px), area.bottom - area.top);
    }
    ctx.restore();
  };

  // Where the worst sample of a breach stands: the stretch that comes nearest to it.
  const worst = (breach) => {
    const line = chart.lines.find((one) => one.name === breach.series), from = since(breach.first_ms), to = breach.open ? end() : since(breach.last_ms);
    const column = line && rows.columns.get(line.id);
    let found = (from + to) / 2, nearest = Infinity;
    if (column && breach.worst !== null) rows.at.forEach((at, n) => {
      if (at < from - data.stretch_ms / 1000 || at > to + data.stretch_ms / 1000) return;
      for (const value of [column.low[n], column.high[n]]) {
        if (value !== null && value !== undefined && Math.abs(value - breach.worst) < nearest) { nearest = Math.abs(value - breach.worst); found = at; }
      }
    });
    return found;
  };
  const over = (u) => {
    const { ctx } = u, area = box(u), px = uPlot.pxRatio;
    ctx.save();
    const taken = [];
    for (const limit of chart.limits) {
      const y = Math.round(u.valToPos(limit.value, "y", true));
      if (y < area.top - 1 || y > area.bottom + 1) continue;
      const color = limit.severity === "critical" ? tokens.bad : limit.severity === "warning" ? tokens.warn : tokens.note;
      const spans = limit.stages.length ? data.stages.filter((one) => limit.stages.includes(one.name)).map((one) => [x(u, since(one.begin_ms)), x(u, one.end_ms === null ? end() : since(one.end_ms))]) : [[area.left, area.right]];
      ctx.strokeStyle = color; ctx.lineWidth = 2 * px; ctx.setLineDash([8 * px, 5 * px]);
      for (const [left, right] of spans) { ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(right, y); ctx.stroke(); }
      ctx.setLineDash([]);
      if (!spans.length) continue; // none of its stages has begun
      let bottom = y - 5 * px < area.top + 12 * px ? y + 15 * px : y - 5 * px;
      while (taken.some((one) => Math.abs(one - bottom) < 14 * px)) bottom += 15 * px;
      taken.push(bottom);
      const label = `${limit.label} (${limit.severity})`;
      ctx.font = `600 ${12 * px}px system-ui, "DejaVu Sans", Arial, sans-serif`;
      const left = Math.max(area.left, Math.min(...spans.map((one) => one[0]))) + 6 * px, room = area.right - 6 * px;
      const right = left + ctx.measureText(label).width > room;
      text(u, label, right ? room : left, bottom, color, { bold: true, right });
    }
    for (const breach of chart.breaches) {
      const at = worst(breach), value = breach.worst;
      if (at < u.scales.x.min || at > u.scales.x.max) continue;
      const left = x(u, at), y = value === null ? area.top + 8 * px : Math.min(Math.max(u.valToPos(value, "y", true), area.top + 8 * px), area.bottom);
      ctx.fillStyle = tokens.bad; ctx.beginPath(); ctx.arc(left, y, 4 * px, 0, 7); ctx.fill();
      text(u, "✗", left + 6 * px, y + 5 * px, tokens.bad, { bold: true });
    }
    ctx.restore();
  };

  const band = (color, share) => ({ stroke: () => clear(color(), share), width: 0.75, points: { show: false }, pxAlign: 0 });
  const series = [{}];
  const bands = [];
  if (rest) { series.push(band(() => tokens.soft, 40), band(() => tokens.soft, 40)); bands.push({ series: [1, 2], fill: () => clear(tokens.soft, 22) }); }
  chart.lines.forEach((line, n) => {
    const color = () => tokens[`t${n}`], mean = meanOf(n);
    series.push(band(color, 45), band(color, 45), { stroke: color, width: 1.75, dash: DASHES[n], points: { size: 4, fill: color }, pxAlign: 0 });
    bands.push({ series: [mean - 2, mean - 1], fill: () => clear(color(), 18) });
  });
  const axis = { stroke: () => tokens.soft, font: FONT, grid: { stroke: () => tokens.line, width: 1 }, ticks: { stroke: () => tokens.line, size: 5 } };
  const span = (u) => u.scales.x.max - u.scales.x.min;
  const size = () => ({ width: Math.max(place.clientWidth, 200), height: place.clientHeight >= 240 ? 250 : 190 }); // as the stylesheet has it, so that nothing jumps

  let rows = RunCharts.rows(chart, data);
  const whole = rows; // live samples are put here, also while a finer piece is looked at
  const u = new uPlot({
    ...size(), series, bands, padding: [TOP, phone() ? 8 : 14, 0, 0], legend: { show: false },
    scales: { x: { time: false, range: () => hooks.range() }, y: { range: reach } },
    axes: [
      { ...axis, incrs: STEPS, space: () => (phone() ? 95 : 80), size: 28, values: (self, splits) => splits.map((one) => elapsed(one, span(self) >= 7200)) },
      { ...axis, space: 34, size: () => (phone() ? 46 : 60), values: (self, splits) => splits.map(number) },
    ],
    cursor: {
      y: false, drag: { x: true, y: false, setScale: false, dist: 6 }, points: { show: (self, n) => (n > rest && (n - rest) % 3 === 0 ? document.createElement("div") : null), size: 7 },
      hover: { prox: 24 }, // pixels: a value from further away is none of this moment
      sync: { key: hooks.key, scales: ["x", null], setSeries: false, filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      bind: { dblclick: () => () => { hooks.zoom(null); return null; } },
    },
    hooks: {
      drawAxes: [under], draw: [over],
      setCursor: [(self) => hooks.cursor(self.cursor.left < 0 ? null : self.posToVal(self.cursor.left, "x"))],
      setSelect: [(self) => {
        if (self.select.width > 4) hooks.zoom([self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")]);
        self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  }, rows.aligned(), place);
  u.root.setAttribute("aria-hidden", "true");

  // A finer piece with the lines of this chart in their order, on this chart's time.
  const sameLines = (finer, finerData) => {
    const at = finer.at.map((one) => one + (finerData.begin_ms - data.begin_ms) / finerData.stretch_ms), none = at.map(() => null);
    const lines = chart.lines.map((line) => finer.lines.find((one) => one.id === line.id) || { ...line, low: none, high: none, mean: none });
    return { ...finer, at, lines, rest: chart.rest && (finer.rest || { ...chart.rest, low: none, high: none }) };
  };

  return {
    u, meanOf, under: (n) => { const place_ = u.cursor.idxs?.[meanOf(n)]; return place_ === null || place_ === undefined ? null : u.data[meanOf(n)][place_] ?? null; }, put: whole.put, columns: whole.columns,
    get size() { return whole.size; },
    draw: () => u.setData(rows.aligned()),
    redraw: () => u.redraw(true, true),
    fit: () => { const now = size(); if (now.width !== u.width || now.height !== u.height) u.setSize(now); },
    // Finer numbers of a piece of the time in place of the whole; null for the whole again.
    piece: (finer, finerData) => {
      rows = finer ? RunCharts.rows(sameLines(finer, finerData), { ...data, stretch_ms: finerData.stretch_ms }) : whole;
      u.setData(rows.aligned());
    },
  };
};
