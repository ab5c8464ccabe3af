// How charts look and how they say numbers and times; what report/text.py and report/charts.py do on paper.
const RunCharts = (() => {
  const tokens = {};
  const read = () => {
    const css = getComputedStyle(document.documentElement);
    for (const name of ["ink", "soft", "line", "panel", "sunk", "bad", "warn", "note", "focus", ...Array.from({ length: 10 }, (_, n) => `t${n}`)]) {
      tokens[name] = css.getPropertyValue(`--${name}`).trim();
    }
  };
  const onScheme = (told) => {
    const again = () => { read(); told(); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  };
  const clear = (color, share) => `color-mix(in srgb, ${color} ${share}%, transparent)`;

  // As `number` says it: large ones grouped, small ones with four figures.
  const number = (value) => {
    if (value === null || value === undefined) return "–";
    if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
    return String(Number(value.toPrecision(4)));
  };
  // Numbers of one column, which is as large as its largest.
  const figure = (value, largest, unit) => {
    if (value === null || value === undefined) return "–";
    const decimals = unit === "V" && largest < 100 ? 3 : largest >= 1000 ? (Math.abs(value) < 10 && !Number.isInteger(value) ? 1 : 0) : largest >= 10 ? 1 : largest >= 1 ? 2 : 3;
    return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).replaceAll(",", "\u202f");
  };
  const two = (n) => String(n).padStart(2, "0");
  const elapsed = (seconds, short) => {
    const s = Math.max(0, Math.round(seconds)), h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60);
    return short ? `${h}:${two(m)}` : `${h}:${two(m)}:${two(s % 60)}`;
  };
  const moment = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ") + "\u00a0UTC";
  const clock = (ms) => new Date(ms).toISOString().slice(11, 19) + "\u00a0UTC";

  const element = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) key in made ? (made[key] = value) : made.setAttribute(key, value);
    made.append(...children.filter((one) => one !== null));
    return made;
  };

  const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [14, 4], [18, 3, 5, 3], [5, 5], [1, 4], [12, 3, 3, 3], [4, 2]];
  const SVG = "http://www.w3.org/2000/svg";
  // The line as it is drawn, for the legend; a broad pale one for the band of all others.
  const swatch = (place) => {
    const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 34 10"); svg.setAttribute("class", "swatch"); svg.setAttribute("aria-hidden", "true");
    line.setAttribute("d", "M1 5H33"); line.setAttribute("class", place === null ? "rest" : `t${place}`);
    if (place !== null && DASHES[place].length) line.setAttribute("stroke-dasharray", DASHES[place].join(" "));
    svg.append(line);
    return svg;
  };

  read();
  return { tokens, onScheme, clear, number, figure, elapsed, moment, clock, element, swatch, DASHES };
})();
