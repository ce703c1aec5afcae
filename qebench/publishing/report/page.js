import DataTable from "datatables";

const dark = matchMedia("(prefers-color-scheme: dark)");
const plots = [...document.querySelectorAll(".js-plotly-plot")];
const tables = [...document.querySelectorAll("table.sortable")].map(
  (table) => new DataTable(table, { paging: false, info: false, order: [], layout: { topStart: null, topEnd: null } }),
);
const filters = ["compressor", "quality"].map((name) => document.getElementById(name));

function show() {
  for (const element of document.querySelectorAll("[data-compressor]")) {
    element.hidden = filters.some(({ id, value }) => value && (element.dataset[id] ?? value) !== value);
  }
  for (const table of tables) {
    const names = table.columns().header().toArray().map((cell) => cell.textContent.trim());
    for (const { id, value } of filters) {
      // averages, which have a word for a quality, stay
      if (names.includes(id)) table.column(names.indexOf(id)).search(value && `^(${value}|\\D*\\.)$`, true, false);
    }
    table.draw();
  }
  const quality = filters[1].value;
  for (const plot of plots.filter((plot) => plot.offsetParent)) {
    Plotly.Plots.resize(plot);
    if (plot.layout.xaxis.type !== "category") continue;
    const place = plot._fullLayout.xaxis._categories.indexOf(quality);
    Plotly.relayout(plot, place < 0 ? { "xaxis.autorange": true } : { "xaxis.range": [place - 0.5, place + 0.5] });
  }
}

function colour() {
  document.documentElement.classList.toggle("dark", dark.matches);
  for (const plot of plots) Plotly.relayout(plot, { "font.color": getComputedStyle(document.body).color });
}

for (const figure of document.querySelectorAll(".compare")) {
  const images = [...figure.querySelectorAll("img")];
  const border = figure.querySelector("input");
  const compare = () => {
    images.forEach((image) => { image.hidden = true; image.className = ""; });
    const same = new Set([...figure.querySelectorAll("select")].map((select) => select.value)).size === 1;
    for (const select of figure.querySelectorAll("select")) {
      const image = images[select.value];
      image.hidden = false;
      image.className = same ? "" : select.className;
      select.nextElementSibling.value = select.selectedOptions[0].dataset.numbers;
    }
    figure.style.setProperty("--border", `${border.value}%`);
  };
  figure.addEventListener("input", compare);
  compare();
}

document.getElementById("filter").addEventListener("input", show);
dark.addEventListener("change", colour);
colour();
show();
