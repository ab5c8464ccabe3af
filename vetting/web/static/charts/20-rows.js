// The numbers of one chart, as columns over its times; live samples are put in, and a gap stays a gap.
RunCharts.rows = (chart, data) => {
  const GAP = 4; // so many times the usual distance between samples
  const end = data.end_ms - data.begin_ms;
  const at = chart.at.map((place) => Math.min((place + 0.5) * data.stretch_ms, Math.max(end, place * data.stretch_ms)) / 1000);
  const columns = new Map(); // id -> {low, high, mean}
  for (const line of chart.lines) columns.set(line.id, { low: line.low, high: line.high, mean: line.mean });
  const rest = chart.rest && { low: chart.rest.low, high: chart.rest.high };
  const all = () => [...[...columns.values()].flatMap((one) => [one.high, one.low, one.mean]), ...(rest ? [rest.high, rest.low] : [])];

  const row = (seconds) => {
    let place = at.length;
    while (place > 0 && at[place - 1] > seconds) place -= 1;
    if (place > 0 && at[place - 1] === seconds) return place - 1;
    at.splice(place, 0, seconds);
    for (const column of all()) column.splice(place, 0, null);
    return place;
  };
  const outer = (pick, old, value) => (old === null || old === undefined ? value : pick(old, value));

  // A live second of a series; false where this chart does not show it.
  const put = (id, seconds, low, high, mean) => {
    const line = columns.get(id), others = !line && rest && chart.rest.ids.includes(id) && rest;
    if (!line && !others) return false;
    const place = row(seconds), column = line || others;
    column.low[place] = outer(Math.min, column.low[place], low);
    column.high[place] = outer(Math.max, column.high[place], high);
    if (line) line.mean[place] = mean;
    return true;
  };

  // For uPlot: undefined is drawn over, null breaks the line.
  const usual = (times) => {
    const steps = times.slice(1).map((one, n) => one - times[n]).sort((a, b) => a - b);
    return Math.max(steps[steps.length >> 1] || 0, data.stretch_ms / 1000) * GAP;
  };
  const broken = (times, columnsOfOne) => {
    const made = columnsOfOne.map((column) => column.map((value) => value ?? undefined));
    const measured = [];
    made[0].forEach((value, place) => { if (value !== undefined) measured.push(place); });
    const longest = usual(measured.map((place) => times[place]));
    for (let n = 1; n < measured.length; n += 1) {
      if (times[measured[n]] - times[measured[n - 1]] > longest) for (const column of made) column[measured[n - 1] + 1] = null;
    }
    return made;
  };
  const aligned = () => {
    const longest = usual(at), times = [], from = [];
    at.forEach((one, place) => {
      if (place && one - at[place - 1] > longest) { times.push((one + at[place - 1]) / 2); from.push(-1); }
      times.push(one); from.push(place);
    });
    const spread = (column) => from.map((place) => (place < 0 ? null : column[place]));
    const made = [times];
    if (rest) made.push(...broken(times, [spread(rest.high), spread(rest.low)]));
    for (const one of columns.values()) made.push(...broken(times, [spread(one.high), spread(one.low), spread(one.mean)]));
    return made;
  };

  return { at, columns, rest, put, aligned, get size() { return at.length; } };
};
