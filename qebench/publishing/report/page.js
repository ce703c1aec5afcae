// Plots, tables and the filter of the page. The libraries lie in it, compressed; nothing is fetched.

async function unpack(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function loadPlotly() {
  const script = document.createElement("script");
  script.textContent = await unpack("plotly");
  document.head.append(script);
}

async function loadDataTables() {
  const address = URL.createObjectURL(new Blob([await unpack("datatables")], { type: "text/javascript" }));
  return (await import(address)).default;
}

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = type ? URL.createObjectURL(new Blob([content], { type })) : content;
  link.download = name.replaceAll(" ", "-");
  link.click();
}

const [DataTable] = await Promise.all([loadDataTables(), loadPlotly()]);
const dark = matchMedia("(prefers-color-scheme: dark)");
const codec = document.getElementById("compressor");
const quality = document.getElementById("quality");
const buttons = [...document.querySelectorAll("#methods button")];
const chosen = { compressor: "", quality: "", methods: new Set() };

// Whether something is shown that may be about a codec, a quality and a method; what says nothing of one is about all.
function passes(about) {
  return (
    (!chosen.compressor || !about.compressor || about.compressor === chosen.compressor) &&
    (!chosen.quality || !about.quality || about.quality === chosen.quality) &&
    (!about.method || chosen.methods.has(about.method))
  );
}

const known = new Set(buttons.map((button) => button.dataset.method));
const about = ({ compressor, quality, method }) => ({ compressor, quality, method: known.has(method) ? method : "" });

// Plots

const plots = [...document.querySelectorAll(".plot")];
for (const plot of plots) {
  const { data, layout } = JSON.parse(plot.nextElementSibling.textContent);
  await Plotly.newPlot(plot, data, layout, { responsive: true, displayModeBar: false });
}

function drawPlot(plot) {
  const visible = plot.data.map(({ meta }) => chosen.methods.has(meta));
  const selected = plot.data.map(({ customdata }) =>
    chosen.quality ? customdata.flatMap((row, number) => (String(row[0]) === chosen.quality ? [number] : [])) : null,
  );
  const { tickvals, ticktext, type } = plot.layout.xaxis;
  const place = type === "log" ? -1 : ticktext.indexOf(chosen.quality);
  const layout = { "font.color": getComputedStyle(document.body).color };
  if (type !== "log") {
    layout["xaxis.range"] = place < 0 ? [-0.5, tickvals.length - 0.5] : [place - 0.5, place + 0.5];
  }
  Plotly.update(plot, { visible, selectedpoints: selected }, layout);
  Plotly.Plots.resize(plot);
}

async function savePlot(plot, format) {
  const name = `${plot.dataset.name}.${format}`;
  if (format === "png") {
    const background = getComputedStyle(document.body).backgroundColor;
    const layout = { ...plot.layout, paper_bgcolor: background, autosize: false, width: 900, height: 600 };
    save(name, await Plotly.toImage({ data: plot.data, layout }, { format, scale: 2, width: 900, height: 600 }));
  } else {
    const rows = plot.data.filter(({ visible }) => visible !== false);
    const lines = rows.flatMap((trace) => trace.customdata.map((row) => [trace.name, ...row].map(field).join(",")));
    save(name, [plot.layout.meta.columns.join(","), ...lines, ""].join("\n"), "text/csv");
  }
}

const field = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);

for (const button of document.querySelectorAll("[data-format]")) {
  const plot = button.closest("figure").querySelector(".plot");
  button.addEventListener("click", () => savePlot(plot, button.dataset.format));
}

// Tables

const tables = [...document.querySelectorAll("table.sortable")].map((element) => {
  const name = element.dataset.name;
  const extra = [...element.querySelectorAll("th[data-extra]")].map((cell) => cell.cellIndex);
  const format = {
    header: (text, number, cell) => cell.dataset.key,
    body: (text, row, column, cell) => cell.dataset.raw ?? cell.textContent.trim(),
  };
  const table = new DataTable(element, {
    paging: false,
    info: false,
    order: [],
    columnDefs: [{ targets: extra, visible: false }],
    layout: {
      topStart: {
        buttons: [
          { extend: "colvis", text: "Columns" },
          { extend: "csv", text: "CSV", filename: name, exportOptions: { columns: ":visible", format } },
        ],
      },
      topEnd: "search",
    },
    language: { search: "Search" },
  });
  table.search.fixed("page", (text, data, row) => passes(about(table.row(row).node().dataset)));
  return table;
});

function drawTable(table) {
  for (const cell of table.columns().header().toArray()) {
    const { compressor, method, extra } = cell.dataset;
    if (compressor || method) {
      table.column(cell).visible(extra === undefined && passes(about({ compressor, method })), false);
    }
  }
  table.columns.adjust().draw();
}

// The filter

function show() {
  const [compressor, level] = quality.value ? quality.value.split(" ") : [codec.value, ""];
  Object.assign(chosen, { compressor, quality: level });
  chosen.methods = new Set(buttons.filter((button) => button.ariaPressed === "true").map(({ dataset }) => dataset.method));
  for (const figure of document.querySelectorAll("#plots figure")) figure.hidden = !passes({ ...figure.dataset });
  plots.filter((plot) => plot.offsetParent).forEach(drawPlot);
  tables.forEach(drawTable);
}

codec.addEventListener("input", () => {
  for (const group of quality.querySelectorAll("optgroup")) {
    group.hidden = Boolean(codec.value) && group.dataset.compressor !== codec.value;
  }
  if (!quality.value.startsWith(`${codec.value} `)) quality.value = "";
  show();
});
quality.addEventListener("input", show);
for (const button of buttons) {
  button.addEventListener("click", () => {
    button.ariaPressed = String(button.ariaPressed !== "true");
    show();
  });
}

function colour() {
  document.documentElement.classList.toggle("dark", dark.matches);
  plots.forEach((plot) => Plotly.relayout(plot, { "font.color": getComputedStyle(document.body).color }));
}

dark.addEventListener("change", colour);
colour();
show();
document.documentElement.dataset.ready = "";
