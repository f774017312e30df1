// Builds what a browser loads: app.css, app.js, chart.js, icons.json, THIRD-PARTY.md. Run `npm ci && npm run build`.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";
import { directional, icons } from "./icons.mjs";
import { tokensCss } from "./tokens.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, "../src/tillhouse/kernel/web");
const out = join(web, "static/kernel");
const work = join(here, "build");
mkdirSync(out, { recursive: true });
mkdirSync(work, { recursive: true });

const packages = ["tailwindcss", "basecoat-css", "htmx.org", "htmx-ext-sse", "uplot", "lucide-static"];

function css() {
  writeFileSync(join(work, "tokens.css"), tokensCss());
  execFileSync(join(here, "node_modules/.bin/tailwindcss"), ["-i", "kernel.css", "-o", join(out, "app.css"), "--minify"], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
}

async function js() {
  const options = { bundle: true, minify: true, format: "iife", target: ["chrome100", "firefox100", "safari15.4"], legalComments: "none", absWorkingDir: here };
  await build({ ...options, entryPoints: ["app.js"], outfile: join(out, "app.js") });
  await build({ ...options, entryPoints: ["chart.js"], outfile: join(out, "chart.js") });
}

function iconBodies() {
  const body = (name) => {
    const svg = readFileSync(join(here, "node_modules/lucide-static/icons", `${name}.svg`), "utf8");
    return svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>")).replace(/\s*\n\s*/g, "").replaceAll(" />", "/>");
  };
  const bodies = Object.fromEntries([...new Set(icons)].sort().map((name) => [name, body(name)]));
  writeFileSync(join(web, "icons.json"), JSON.stringify({ directional, bodies }, null, 1) + "\n");
}

function notices() {
  const one = (name) => {
    const folder = join(here, "node_modules", name);
    const meta = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((f) => join(folder, f)).find(existsSync);
    if (!file) throw new Error(`${name} ships no licence text`);
    return `## ${name} ${meta.version} (${meta.license})\n\n\`\`\`text\n${readFileSync(file, "utf8").trim()}\n\`\`\`\n`;
  };
  const head = "# Third-party parts of these files\n\n`app.css` holds Tailwind CSS and Basecoat; `app.js` holds htmx and its SSE extension; `chart.js` holds uPlot; the icons are Lucide's.\n";
  writeFileSync(join(out, "THIRD-PARTY.md"), [head, ...packages.map(one)].join("\n"));
}

css();
await js();
iconBodies();
notices();
for (const name of ["app.css", "app.js", "chart.js"]) {
  const bytes = readFileSync(join(out, name));
  console.log(`${name.padEnd(9)} ${bytes.length} bytes, ${brotliCompressSync(bytes).length} compressed (brotli)`);
}
