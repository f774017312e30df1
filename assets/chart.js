// Draws `[data-chart]` with uPlot. The server sends the numbers, the words for each of them and the table behind;
// nothing here knows money: values are drawn, their formatted forms are shown.
import uPlot from "uplot";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Map();

function tooltip(data) {
  let box;
  const init = (u) => {
    box = document.createElement("div");
    box.className = "chart-tip";
    box.hidden = true;
    u.over.append(box);
    u.over.addEventListener("pointerleave", () => { box.hidden = true; });
  };
  const setCursor = (u) => {
    const i = u.cursor.idx;
    if (i == null || u.cursor.left < 0) { box.hidden = true; return; }
    const line = (tag, text) => { const node = document.createElement(tag); node.textContent = text; return node; };
    const rows = data.series.map((series, s) => {
      const row = document.createElement("span");
      row.append(Object.assign(document.createElement("i"), { className: `series-${s + 1}` }), `${series.name} ${series.shown[i]}`);
      return row;
    });
    box.replaceChildren(line("strong", data.labels[i]), ...rows);
    box.dir = document.dir;
    box.hidden = false;
    const left = u.cursor.left + 12;
    box.style.left = `${left + box.offsetWidth > u.over.clientWidth ? Math.max(0, left - box.offsetWidth - 24) : left}px`;
  };
  return { hooks: { init, setCursor } };
}

function options(box, data) {
  const muted = css("--muted-foreground"), grid = css("--border");
  const compact = new Intl.NumberFormat(data.locale, { notation: "compact", maximumFractionDigits: 1, ...(data.currency ? { style: "currency", currency: data.currency, currencyDisplay: "narrowSymbol" } : {}) });
  const font = `12px ${getComputedStyle(box).fontFamily}`;
  const colour = (i) => css(`--chart-${i + 1}`);
  const bars = data.kind === "bar";
  const slots = data.series.length;
  const series = data.series.map((one, i) => ({
    label: one.name,
    stroke: colour(i),
    width: bars ? 0 : 2,
    fill: bars ? colour(i) : data.kind === "area" ? colour(i) + "22" : undefined,
    points: { show: false },
    paths: bars ? barPaths(i, slots) : uPlot.paths.linear(), // a curve would show balances that never were
  }));
  const every = (u, splits) => splits.map((v) => (Number.isInteger(v) && data.labels[v] !== undefined ? data.labels[v] : ""));
  return {
    width: box.clientWidth, height: box.clientHeight, padding: [8, bars ? 4 : 22, 0, 0], legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !bars } },
    scales: { x: { time: false, range: bars ? [-0.6, data.labels.length - 0.4] : [0, Math.max(1, data.labels.length - 1)] }, y: { range: (u, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] } },
    axes: [
      { stroke: muted, font, size: 28, gap: 6, grid: { show: false }, ticks: { show: false }, space: 64, incrs: [1, 2, 5, 7, 10, 14, 15, 30, 60, 90, 180, 365], values: every },
      { stroke: muted, font, gap: 6, size: (u, values) => 14 + Math.max(0, ...(values ?? []).map((v) => v.length)) * 7, grid: { stroke: grid, width: 1 }, ticks: { show: false }, space: 44, values: (u, splits) => splits.map((v) => compact.format(v)) },
    ],
    series: [{}, ...series],
    plugins: [tooltip(data)],
  };
}

// Bars of several series stand beside each other within their slot.
function barPaths(index, slots) {
  const width = 0.76 / slots;
  return (u, seriesIdx, from, to) => {
    const unit = u.valToPos(1, "x", true) - u.valToPos(0, "x", true);
    const base = u.valToPos(0, "y", true);
    const slot = Math.min(unit * width, 48 * devicePixelRatio);
    const size = Math.max(1, slot * (slots > 1 ? 0.84 : 1));
    const fill = new Path2D();
    for (let i = from; i <= to; i++) {
      const value = u.data[seriesIdx][i];
      if (value == null || value === 0) continue;
      const x = u.valToPos(i, "x", true) + (index - (slots - 1) / 2) * slot - size / 2;
      const y = u.valToPos(value, "y", true);
      const radius = Math.min(4 * devicePixelRatio, size / 2, Math.abs(base - y));
      if (fill.roundRect) fill.roundRect(x, Math.min(y, base), size, Math.abs(base - y), value > 0 ? [radius, radius, 0, 0] : [0, 0, radius, radius]);
      else fill.rect(x, Math.min(y, base), size, Math.abs(base - y));
    }
    return { fill, stroke: null, clip: null, flags: 1 };
  };
}

function draw(box) {
  drawn.get(box)?.destroy();
  const data = JSON.parse(box.dataset.chart);
  const scale = 10 ** data.digits;
  const values = data.series.map((one) => one.values.map((v) => (v == null ? null : v / scale)));
  drawn.set(box, new uPlot(options(box, data), [data.labels.map((_, i) => i), ...values], box));
  box.dataset.drawn = "";
}

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target.isConnected) drawn.get(target)?.setSize({ width: target.clientWidth, height: target.clientHeight });
});

window.drawChart = (box) => {
  if (drawn.has(box)) return;
  draw(box);
  resized.observe(box);
};

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const box of drawn.keys()) if (box.isConnected) draw(box); else drawn.delete(box);
});
