// The picture viewer: two versions of a crop, the one left and the other right of a border that moves.

const { views, colours } = JSON.parse(document.getElementById("views").textContent);
const MIDDLE = 128; // as in viewer.py
const viewer = document.getElementById("viewer");
const [picture, compressor, quality, what, zoom, border] = ["picture", "compressor", "quality", "what", "zoom", "border"].map(
  (name) => document.getElementById(`view-${name}`),
);
const sides = [...viewer.querySelectorAll("[data-side]")].map((fieldset) => ({
  method: fieldset.querySelector(".method"),
  exit: fieldset.querySelector(".exit"),
  output: fieldset.querySelector("output"),
  canvas: viewer.querySelector(`canvas.${fieldset.dataset.side}`),
}));
const pair = viewer.querySelector(".pair");
const scale = viewer.querySelector(".scale");
const decoded = new Map();

// Return the pixels (RGBA) of all versions of a view, as viewer.py packed them: each but the first as a difference.
async function unpack(view) {
  if (!decoded.has(view)) {
    const image = new Image();
    image.src = view.source;
    await image.decode();
    const [width, height] = [image.naturalWidth, image.naturalHeight / view.versions.length];
    const canvas = Object.assign(document.createElement("canvas"), { width, height: image.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const versions = view.versions.map((_, number) => context.getImageData(0, number * height, width, height));
    versions.slice(1).forEach(({ data }, number) => {
      const before = versions[number].data;
      for (let at = 0; at < data.length; at++) data[at] = at % 4 === 3 ? 255 : (data[at] + before[at] - MIDDLE) & 255;
    });
    decoded.set(view, versions);
  }
  return decoded.get(view);
}

// Return the absolute difference of two pictures, the mean over channels, in colours.
function difference(one, other) {
  const result = new ImageData(one.width, one.height);
  for (let at = 0; at < one.data.length; at += 4) {
    const levels = [0, 1, 2].map((channel) => Math.abs(one.data[at + channel] - other.data[at + channel]));
    const mean = Math.round((levels[0] + levels[1] + levels[2]) / 3);
    result.data.set([...colours[Math.min(mean, colours.length - 1)], 255], at);
  }
  return result;
}

function fill(select, entries, wanted) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
  const values = entries.map(([value]) => String(value));
  select.value = values.includes(String(wanted)) ? wanted : (values[0] ?? "");
}

const unique = (values) => [...new Set(values)];
const named = (id) => document.querySelector(`#${id.includes(" ") ? "quality" : "compressor"} option[value="${id}"]`).text;

function current() {
  fill(compressor, unique(views.map((view) => view.compressor)).map((name) => [name, named(name)]), compressor.value);
  const own = views.filter((view) => view.compressor === compressor.value);
  const pictures = new Map(own.map((view) => [view.picture, `${view.picture} (${view.chosen})`]));
  fill(picture, [...pictures], picture.value);
  const alike = own.filter((view) => view.picture === picture.value);
  const worst = alike.at(-1).quality;
  fill(quality, alike.map((view) => [view.quality, named(`${compressor.value} ${view.quality}`)]), quality.value || worst);
  return alike.find((view) => String(view.quality) === quality.value);
}

function choose(view, { method, exit }, first) {
  const names = new Map(view.versions.map((version) => [version.method, version.name]));
  fill(method, [...names], method.value || first);
  const exits = view.versions.filter((version) => version.method === method.value);
  const taken = exits.find((version) => version.taken) ?? exits.at(-1);
  fill(exit, exits.map((version) => [version.exit, version.taken ? `${version.exit} (taken)` : version.exit]), exit.value || taken.exit);
  exit.parentElement.hidden = exits.length < 2;
  return exits.find((version) => String(version.exit) === exit.value);
}

async function show() {
  const view = current();
  const versions = await unpack(view);
  if (view !== current()) return; // something else was chosen meanwhile
  const [original] = versions;
  const shown = sides.map((side, number) => {
    const version = choose(view, side, number ? view.versions.at(-1).method : "decoded");
    const image = versions[view.versions.indexOf(version)];
    const pixels = what.value === "difference" ? difference(image, original) : image;
    Object.assign(side.canvas, { width: image.width, height: image.height });
    side.canvas.getContext("2d").putImageData(pixels, 0, 0);
    side.output.value = version.numbers;
    side.canvas.ariaLabel = `${view.picture}, ${version.name}${version.numbers && ", " + version.numbers}`;
    return `${version.method}-${version.exit}`;
  });
  scale.hidden = what.value !== "difference";
  const width = zoom.value === "0" ? "100%" : `${zoom.value * original.width}px`;
  pair.style.width = border.style.width = width;
  pair.style.setProperty("--border", `${border.value}%`);
  viewer.dataset.shown = [view.picture, view.compressor, view.quality, ...shown, what.value].join(" ");
}

// Another codec, picture or method has other exits: the one taken is shown then.
viewer.addEventListener("input", ({ target }) => {
  if (target === border) return pair.style.setProperty("--border", `${border.value}%`);
  if (target === compressor) quality.value = "";
  for (const { method, exit } of sides) if ([picture, compressor, quality, method].includes(target)) exit.value = "";
  show();
});
scale.querySelector("span").style.background = `linear-gradient(to right, ${colours.map((one) => `rgb(${one})`)})`;
if (matchMedia("(max-width: 60rem)").matches) zoom.value = "0";
await show();
