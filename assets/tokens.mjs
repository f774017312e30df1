// Every colour of the house, written once as OKLCH [lightness, chroma, hue] and emitted as sRGB hex, so that the
// contrast test can read the shipped stylesheet without a colour engine.

const INK = 265;

const light = {
  background: [0.984, 0.003, INK], foreground: [0.21, 0.02, INK],
  card: [1, 0, 0], "card-foreground": [0.21, 0.02, INK],
  muted: [0.962, 0.005, INK], "muted-foreground": [0.48, 0.02, INK],
  border: [0.91, 0.006, INK], input: [0.63, 0.015, INK],
  overlay: [0.21, 0.02, INK],
  success: [0.43, 0.1, 155], "success-soft": [0.955, 0.045, 155],
  warning: [0.45, 0.095, 70], "warning-soft": [0.96, 0.05, 88],
  danger: [0.47, 0.18, 27], "danger-soft": [0.957, 0.02, 20],
  info: [0.45, 0.13, 250], "info-soft": [0.955, 0.022, 245],
  destructive: [0.52, 0.2, 27], "destructive-foreground": [1, 0, 0],
  "chart-2": [0.68, 0.15, 65], "chart-3": [0.58, 0.15, 250], "chart-4": [0.58, 0.19, 10],
};

const dark = {
  background: [0.165, 0.012, INK], foreground: [0.955, 0.005, INK],
  card: [0.208, 0.014, INK], "card-foreground": [0.955, 0.005, INK],
  muted: [0.255, 0.014, INK], "muted-foreground": [0.745, 0.015, INK],
  border: [0.3, 0.014, INK], input: [0.55, 0.018, INK],
  overlay: [0.09, 0.01, INK],
  success: [0.84, 0.13, 155], "success-soft": [0.285, 0.05, 155],
  warning: [0.86, 0.12, 85], "warning-soft": [0.29, 0.045, 75],
  danger: [0.8, 0.115, 22], "danger-soft": [0.285, 0.06, 22],
  info: [0.82, 0.09, 245], "info-soft": [0.285, 0.05, 250],
  destructive: [0.72, 0.16, 24], "destructive-foreground": [0.17, 0.03, 24],
  "chart-2": [0.8, 0.13, 75], "chart-3": [0.72, 0.12, 250], "chart-4": [0.72, 0.15, 10],
};

// One accent per product: [light lightness, light chroma, hue].
const accents = {
  house: [0.46, 0.18, 277],
  drivopay: [0.46, 0.105, 165],
  wordai: [0.48, 0.13, 240],
  mindmine: [0.52, 0.135, 48],
  voice_invoice: [0.5, 0.18, 5],
  astria: [0.47, 0.19, 312],
};

const accentLight = ([l, c, h]) => ({
  primary: [l, c, h], "primary-strong": [l - 0.07, c, h], "primary-foreground": [1, 0, 0],
  "primary-soft": [0.955, c / 6, h], "primary-soft-foreground": [0.38, c * 0.8, h],
  "hero-from": [0.33, c * 0.8, h], "hero-to": [0.47, c * 0.95, h], "hero-foreground": [1, 0, 0],
  "hero-muted": [0.92, c / 4, h], "chart-1": [l + 0.06, c, h], ring: [l + 0.05, c, h],
});

const accentDark = ([, c, h]) => ({
  primary: [0.76, c * 1.05, h], "primary-strong": [0.83, c * 0.85, h], "primary-foreground": [0.17, 0.03, h],
  "primary-soft": [0.285, c * 0.35, h], "primary-soft-foreground": [0.87, c * 0.5, h],
  "hero-from": [0.27, c * 0.55, h], "hero-to": [0.38, c * 0.7, h], "hero-foreground": [1, 0, 0],
  "hero-muted": [0.9, c / 4, h], "chart-1": [0.74, c, h], ring: [0.74, c, h],
});

function hex([l, c, h]) {
  const rgb = (chroma) => {
    const a = chroma * Math.cos((h * Math.PI) / 180);
    const b = chroma * Math.sin((h * Math.PI) / 180);
    const [x, y, z] = [l + 0.3963377774 * a + 0.2158037573 * b, l - 0.1055613458 * a - 0.0638541728 * b, l - 0.0894841775 * a - 1.291485548 * b].map((v) => v ** 3);
    return [4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z, -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z, -0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z];
  };
  const fits = (channels) => channels.every((v) => v >= -0.0005 && v <= 1.0005);
  let chroma = c;
  while (!fits(rgb(chroma)) && chroma > 0) chroma -= 0.002; // reduce chroma, never lightness: contrast stays as designed
  const byte = (v) => Math.round(255 * Math.min(1, Math.max(0, v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055)));
  return "#" + rgb(Math.max(chroma, 0)).map((v) => byte(v).toString(16).padStart(2, "0")).join("");
}

const rules = (tokens) => Object.entries(tokens).map(([name, value]) => `--${name}:${hex(value)};`).join("");
const perAccent = (prefix, make) =>
  Object.entries(accents).map(([name, spec]) => `${prefix}[data-accent="${name}"]{${rules(make(spec))}}`).join("\n");

/** The stylesheet of tokens: light, dark by choice, dark by the system. `[data-accent]` works on any element. */
export function tokensCss() {
  const darkRules = (scope) =>
    `${scope}{color-scheme:dark;${rules(dark)}}\n${perAccent(scope, accentDark)}\n${perAccent(scope + " ", accentDark)}`;
  return [
    `:root{color-scheme:light;${rules(light)}}`,
    perAccent("", accentLight),
    darkRules("html.dark"),
    `@media (prefers-color-scheme:dark){${darkRules("html:not(.light):not(.dark)")}}`,
  ].join("\n");
}

export const themeColours = { light: hex(light.background), dark: hex(dark.background) };
