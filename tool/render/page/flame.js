// Draws a call tree as an icicle on a canvas: only what is visible, so that a hundred thousand frames
// are no burden. The tree is kept as arrays in the order of a walk from the root: the frames below
// frame i are i + 1 to end[i] - 1, and siblings stand widest first.
(() => {
'use strict';

const ROW = 21, NARROWEST = 0.6, FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const graph = $('graph'), space = $('space'), canvas = $('canvas'), context = canvas.getContext('2d');

// ---- values and names as text

const UNITS = {
  bytes: [['B', 1], ['kB', 2 ** 10], ['MB', 2 ** 20], ['GB', 2 ** 30], ['TB', 2 ** 40], ['PB', 2 ** 50]],
  nanoseconds: [['ns', 1], ['us', 1e3], ['ms', 1e6], ['s', 1e9], ['hrs', 3600e9]],
};

function say(value, sign) {
  const size = Math.abs(value), known = UNITS[data.unit] || UNITS[data.unit + 's'];
  const mark = value < 0 ? '−' : sign && value > 0 ? '+' : '';
  if (!known) {
    return mark + size.toLocaleString('en') + (data.unit && data.unit !== 'count' ? ' ' + data.unit : '');
  }
  let [unit, factor] = known[0];
  for (const [name, f] of known) if (size >= f) [unit, factor] = [name, f];
  return mark + (size / factor).toFixed(2).replace(/\.00$/, '') + (size ? unit : '');
}

function percent(part, whole) {
  const ratio = whole ? part / whole * 100 : 0, size = Math.abs(ratio);
  return (size === 0 ? '0' : size < 0.01 ? '<0.01' : ratio.toFixed(size < 10 ? 2 : size > 99.95 && size < 100.05 ? 0 : 1)) + '%';
}

// "parse /build/src/json.c:41" fits better as "parse json.c:41".
const shortName = name => name.replace(/ (?:[^ ]*\/)?([^ /]+)$/, ' $1');
const names = data.names, shown = names.map(shortName);

// What belongs together has one hue: a Go package, a C++ namespace, the first word of a C name.
function family(name) {
  const bare = name.replace(/ [^ ]*$/, '');
  const slash = bare.lastIndexOf('/');
  const go = bare.indexOf('.', slash + 1);
  if (go > 0) return bare.slice(0, go);
  const scope = bare.indexOf('::');
  if (scope > 0) return bare.slice(0, scope);
  return (/^_*[^_]+/.exec(bare) || [bare])[0];
}

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  h ^= h >>> 15;
  return Math.imul(h, 2246822519) >>> 0;
}

// ---- trees

function makeTree(count) {
  return {
    count: 0, depth: new Int32Array(count), name: new Int32Array(count), parent: new Int32Array(count),
    end: new Int32Array(count), width: new Float64Array(count), x: new Float64Array(count),
    total: new Float64Array(count), self: new Float64Array(count),
    before: new Float64Array(count), selfBefore: new Float64Array(count),
  };
}

// Parents, ends and places, from depths and widths.
function finishTree(tree) {
  const open = [];
  const next = new Float64Array(tree.count);
  for (let i = 0; i < tree.count; i++) {
    while (open.length > tree.depth[i]) tree.end[open.pop()] = i;
    const parent = open.length ? open[open.length - 1] : -1;
    tree.parent[i] = parent;
    tree.x[i] = parent < 0 ? 0 : next[parent];
    next[i] = tree.x[i];
    if (parent >= 0) next[parent] += tree.width[i];
    open.push(i);
  }
  while (open.length) tree.end[open.pop()] = tree.count;
  return tree;
}

function readTree(calls) {
  const stride = data.fields.length, tree = makeTree(calls.length / stride);
  for (let at = 0; at < calls.length; at += stride) {
    const i = tree.count++;
    tree.depth[i] = calls[at];
    tree.name[i] = calls[at + 1];
    tree.total[i] = calls[at + 2];
    tree.self[i] = calls[at + 3];
    tree.width[i] = data.compared ? calls[at + 4] : calls[at + 2];
    tree.before[i] = data.compared ? calls[at + 5] : 0;
    tree.selfBefore[i] = data.compared ? calls[at + 6] : 0;
  }
  return finishTree(tree);
}

const upright = readTree(data.upright.calls), upsideDown = readTree(data.inverted.calls);

// ---- what is shown

let tree = upright, zoom = 0, chosen = -1, pointed = -1, inverted = false;
let search = '', matches = null; // by name
let visibleDepth = 0;
const dark = matchMedia('(prefers-color-scheme: dark)');
let colours = [], mostChange = 1;

function prepareColours() {
  if (data.compared) {
    mostChange = 0;
    for (let i = 0; i < tree.count; i++) {
      mostChange = Math.max(mostChange, Math.abs(tree.total[i] - tree.before[i]));
    }
    return;
  }
  const hues = [6, 16, 26, 36, 46, 58, 78, 104, 136, 158, 174, 190, 204, 220, 240]; // none near that of matches
  colours = names.map((name, i) => {
    if (i === 0 || name.startsWith('[') || name.startsWith('<')) {
      return dark.matches ? '#3b3835' : '#e4e0da';
    }
    const hue = hues[hash(family(name)) % hues.length], wobble = hash(name) % 7 - 3;
    return dark.matches ? `hsl(${hue} 36% ${33 + wobble}%)` : `hsl(${hue} 66% ${77 + wobble}%)`;
  });
}

function mix(a, b, t) {
  return a.map((v, i) => Math.round(v + (b[i] - v) * t));
}

function changeColour(i) {
  const change = tree.total[i] - tree.before[i];
  const strength = mostChange ? Math.sqrt(Math.abs(change) / mostChange) : 0;
  const same = dark.matches ? [59, 56, 53] : [233, 230, 225];
  const far = change > 0 ? (dark.matches ? [239, 90, 72] : [215, 48, 31])
                         : (dark.matches ? [91, 147, 240] : [43, 108, 212]);
  return mix(same, far, strength);
}

// Without package or namespace, for frames where the whole name has no room: its end tells more.
function ending(name) {
  const bare = name.replace(/^.*\/(?=[^ ]*\.)/, ''), scope = family(bare);
  return bare.startsWith(scope + '.') || bare.startsWith(scope + '::') ? bare.slice(scope.length).replace(/^[.:]+/, '') : bare;
}

const forms = [shown, shown.map(ending)];
const widths = forms.map(() => new Float32Array(names.length));
function textWidth(form, name) {
  return widths[form][name] || (widths[form][name] = context.measureText(forms[form][name]).width + 0.01);
}

function drawLabel(name, x, y, width, ink) {
  const room = width - 9;
  if (room < 14) return;
  const form = textWidth(0, name) <= room ? 0 : 1, whole = textWidth(form, name);
  let text = forms[form][name];
  if (whole > room) {
    const letters = Math.floor(text.length * (room - 9) / whole);
    if (letters < 2) return;
    text = text.slice(0, letters) + '…';
  }
  context.fillStyle = ink;
  context.fillText(text, x + 5, y + ROW / 2, room + 2);
}

function drawFrame(i, x, y, width) {
  const matched = matches && matches[tree.name[i]];
  let fill, ink = dark.matches ? '#f4f1ec' : '#23201d';
  if (matched) {
    fill = dark.matches ? '#c026d3' : '#d946ef';
    ink = '#ffffff';
  } else if (data.compared) {
    const [r, g, b] = changeColour(i);
    fill = `rgb(${r},${g},${b})`;
    ink = 0.3 * r + 0.59 * g + 0.11 * b > 140 ? '#23201d' : '#ffffff';
  } else {
    fill = colours[tree.name[i]];
  }
  context.globalAlpha = matches && !matched ? 0.35 : 1;
  context.fillStyle = fill;
  context.fillRect(x, y, Math.max(width - 1, 0.6), ROW - 1);
  drawLabel(tree.name[i], Math.max(x, 0), y, width - Math.max(0, -x), ink);
  context.globalAlpha = 1;
  if (i === pointed || i === chosen) {
    context.strokeStyle = dark.matches ? '#ffffff' : '#1d1b19';
    context.lineWidth = i === chosen ? 2 : 1;
    context.strokeRect(x + 1, y + 1, Math.max(width - 3, 1), ROW - 3);
  }
}

// Calls visit(i, x, width, row) for every frame wide enough to be seen; visit returns whether to go below.
function walk(pixels, visit) {
  const scale = pixels / tree.width[zoom];
  for (let i = zoom; i < tree.end[zoom];) {
    const width = tree.width[i] * scale;
    if (width < NARROWEST) {
      i = tree.end[tree.parent[i]]; // those beside it are narrower still
      continue;
    }
    i = visit(i, (tree.x[i] - tree.x[zoom]) * scale, width, tree.depth[i] - tree.depth[zoom]) ? i + 1 : tree.end[i];
  }
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawNow(); });
}

function drawNow() {
  const pixels = space.clientWidth, height = graph.clientHeight, ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(pixels * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(pixels * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = pixels + 'px';
    canvas.style.height = height + 'px';
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, pixels, height);
  context.font = FONT;
  context.textBaseline = 'middle';
  if (!tree.width[0]) return;
  const top = graph.scrollTop - 8, first = Math.floor(top / ROW) - 1, last = (top + height) / ROW;
  walk(pixels, (i, x, width, row) => {
    if (row > last) return false;
    if (row >= first) drawFrame(i, x, row * ROW - top, width);
    return true;
  });
}

function layOut() {
  visibleDepth = 0;
  if (tree.width[0]) {
    walk(space.clientWidth, (i, x, width, row) => { visibleDepth = Math.max(visibleDepth, row); return true; });
  }
  space.style.height = Math.max((visibleDepth + 1) * ROW + 24, graph.clientHeight) + 'px';
  draw();
}

// ---- finding frames

function frameAt(clientX, clientY) {
  const box = canvas.getBoundingClientRect(), pixels = space.clientWidth;
  const row = Math.floor((clientY - box.top + graph.scrollTop - 8) / ROW);
  const value = (clientX - box.left) / pixels * tree.width[zoom] + tree.x[zoom];
  if (row < 0 || clientX < box.left || clientX >= box.right || !tree.width[0]) return -1;
  let i = zoom;
  for (let r = 0; r < row; r++) {
    let found = -1;
    for (let c = i + 1; c < tree.end[i] && tree.x[c] <= value; c = tree.end[c]) {
      if (value < tree.x[c] + tree.width[c]) found = c;
    }
    if (found < 0 || tree.width[found] / tree.width[zoom] * pixels < NARROWEST) return -1;
    i = found;
  }
  return i;
}

// ---- what is said about a frame

function sentences(i) {
  const all = tree.total[0], rows = [];
  if (data.compared) {
    const change = tree.total[i] - tree.before[i];
    rows.push(['Change', say(change, true), tree.before[i] ? percent(change, tree.before[i]) + ' of before' : 'new']);
    rows.push(['Before', say(tree.before[i]), percent(tree.before[i], tree.before[0])]);
    rows.push(['Now', say(tree.total[i]), percent(tree.total[i], all)]);
    const own = tree.self[i] - tree.selfBefore[i];
    if (own || tree.self[i]) rows.push(['Change of its own', say(own, true), '']);
  } else {
    rows.push(['Total', say(tree.total[i]), percent(tree.total[i], all)]);
    rows.push([inverted ? 'Ends here' : 'Self', say(tree.self[i]), percent(tree.self[i], all)]);
    if (zoom && i !== zoom) rows.push(['Of the frame on top', percent(tree.total[i], tree.total[zoom]), '']);
  }
  return rows;
}

function showDetail() {
  const i = pointed >= 0 ? pointed : chosen;
  $('detail').textContent = i < 0 ? '' :
    names[tree.name[i]] + ' — ' + sentences(i).map(r => r[0].toLowerCase() + ' ' + r[1] + (r[2] ? ' (' + r[2] + ')' : '')).join(', ');
}

function showTip(event) {
  const tip = $('tip');
  tip.hidden = pointed < 0;
  if (pointed < 0) return;
  const title = document.createElement('b'), table = document.createElement('table');
  title.textContent = names[tree.name[pointed]];
  for (const row of sentences(pointed)) {
    const line = table.insertRow();
    for (const text of row) line.insertCell().textContent = text;
  }
  tip.replaceChildren(title, table);
  const right = event.clientX + 16 + tip.offsetWidth > innerWidth;
  const above = event.clientY + 18 + tip.offsetHeight > innerHeight;
  tip.style.left = Math.max(4, right ? event.clientX - 12 - tip.offsetWidth : event.clientX + 14) + 'px';
  tip.style.top = Math.max(4, above ? event.clientY - 12 - tip.offsetHeight : event.clientY + 16) + 'px';
}

function showCrumbs() {
  const path = [];
  for (let i = tree.parent[zoom]; i >= 0; i = tree.parent[i]) path.unshift(i);
  const crumbs = $('crumbs');
  crumbs.replaceChildren();
  path.forEach((i, at) => {
    if (path.length > 14 && at === 4) {
      const gap = document.createElement('span');
      gap.className = 'gap';
      gap.textContent = `… ${path.length - 12} more …`;
      crumbs.append(gap);
    }
    if (path.length > 14 && at >= 4 && at < path.length - 8) return;
    const crumb = document.createElement('button');
    crumb.type = 'button';
    crumb.textContent = shown[tree.name[i]];
    crumb.title = names[tree.name[i]];
    crumb.addEventListener('click', () => { zoomTo(i); graph.focus(); });
    crumbs.append(crumb);
  });
  $('reset').disabled = zoom === 0;
}

function showSearch() {
  const found = $('found');
  found.className = '';
  if (!search) { found.textContent = ''; return; }
  if (!matches) { found.textContent = 'not a valid pattern'; found.className = 'wrong'; return; }
  let width = 0, now = 0, before = 0, frames = 0;
  for (let i = zoom, free = zoom; i < tree.end[zoom]; i++) {
    if (!matches[tree.name[i]]) continue;
    frames++;
    if (i < free) continue; // inside another match: counted with it
    width += tree.width[i]; now += tree.total[i]; before += tree.before[i];
    free = tree.end[i];
  }
  found.textContent = !frames ? 'no match' :
    `${percent(width, tree.width[zoom])} · ${data.compared ? say(now - before, true) : say(now)} · ${frames} frame${frames > 1 ? 's' : ''}`;
  found.className = frames ? '' : 'wrong';
}

function showNote() {
  const cut = (inverted ? data.inverted : data.upright).cut;
  $('note').textContent = !cut.frames ? '' :
    `Left out: ${cut.frames.toLocaleString('en')} frames narrower than ${say(cut.smallest)}, ` +
    `together ${say(cut.width)} (${percent(cut.width, tree.width[0])}).`;
}

// The address keeps what is looked at, so that it can be passed on.
function remember() {
  const parts = new URLSearchParams();
  if (inverted !== data.startInverted) parts.set('inverted', inverted ? '1' : '0');
  if (zoom) parts.set('zoom', zoom);
  if (search) parts.set('q', search);
  const text = parts.toString();
  try { history.replaceState(null, '', text ? '#' + text : location.pathname + location.search); } catch { /* not allowed here */ }
}

// ---- doing

function zoomTo(i) {
  zoom = i;
  pointed = -1;
  $('tip').hidden = true;
  if (chosen >= 0 && (chosen < zoom || chosen >= tree.end[zoom])) chosen = zoom;
  graph.scrollTop = 0;
  showCrumbs(); showSearch(); showDetail(); layOut(); remember();
}

function setInverted(on) {
  inverted = on;
  tree = on ? upsideDown : upright;
  chosen = -1;
  $('invert').setAttribute('aria-pressed', on);
  prepareColours();
  showNote();
  zoomTo(0);
}

function setSearch(text) {
  search = text;
  matches = null;
  if (text) {
    try {
      const pattern = new RegExp(text, 'i');
      matches = names.map((name, i) => i > 0 && pattern.test(name));
    } catch { /* said by showSearch() */ }
  }
  showSearch(); draw(); remember();
}

function reveal(i) {
  const y = (tree.depth[i] - tree.depth[zoom]) * ROW;
  if (y < graph.scrollTop) graph.scrollTop = y;
  else if (y + 3 * ROW > graph.scrollTop + graph.clientHeight) graph.scrollTop = y + 3 * ROW - graph.clientHeight;
}

function choose(i) {
  if (i < 0) return;
  chosen = i;
  pointed = -1;
  $('tip').hidden = true;
  reveal(i); showDetail(); draw();
}

function beside(i, step) {
  const parent = tree.parent[i];
  if (i === zoom || parent < 0) return -1;
  const siblings = [];
  for (let c = parent + 1; c < tree.end[parent]; c = tree.end[c]) siblings.push(c);
  return siblings[siblings.indexOf(i) + step] ?? -1;
}

function nextMatch(step) {
  if (!matches) return;
  const count = tree.end[zoom] - zoom, from = (chosen < 0 ? zoom - step : chosen) - zoom;
  for (let k = 1; k <= count; k++) {
    const i = zoom + ((from + step * k) % count + count) % count;
    if (matches[tree.name[i]]) { choose(i); return; }
  }
}

const keys = {
  ArrowDown: () => choose(chosen < 0 ? zoom : tree.end[chosen] > chosen + 1 ? chosen + 1 : -1),
  ArrowUp: () => choose(chosen < 0 ? zoom : chosen === zoom ? -1 : tree.parent[chosen]),
  ArrowLeft: () => choose(chosen < 0 ? zoom : beside(chosen, -1)),
  ArrowRight: () => choose(chosen < 0 ? zoom : beside(chosen, 1)),
  Enter: () => { if (chosen >= 0) zoomTo(chosen); },
  Backspace: () => { if (zoom) zoomTo(tree.parent[zoom]); },
  Escape: () => zoomTo(0),
  n: () => nextMatch(1),
  N: () => nextMatch(-1),
};

graph.addEventListener('keydown', event => {
  const act = keys[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});
document.addEventListener('keydown', event => {
  if (event.target === $('search') || event.ctrlKey || event.metaKey || event.altKey || $('keys').open) return;
  if (event.key === '/') { event.preventDefault(); $('search').focus(); }
  else if (event.key === 'i') setInverted(!inverted);
  else if (event.key === '?') $('keys').showModal();
  else if (event.key === 'Escape' && event.target !== graph) zoomTo(0);
});
$('search').addEventListener('input', event => setSearch(event.target.value));
$('search').addEventListener('keydown', event => {
  if (event.key === 'Escape') { event.target.value = ''; setSearch(''); graph.focus(); }
  else if (event.key === 'Enter') { graph.focus(); nextMatch(1); }
});
$('invert').addEventListener('click', () => setInverted(!inverted));
$('reset').addEventListener('click', () => zoomTo(0));
$('help').addEventListener('click', () => $('keys').showModal());
canvas.addEventListener('mousemove', event => {
  const i = frameAt(event.clientX, event.clientY);
  if (i !== pointed) { pointed = i; showDetail(); draw(); }
  canvas.style.cursor = i < 0 ? 'default' : 'pointer';
  showTip(event);
});
canvas.addEventListener('mouseleave', () => { pointed = -1; $('tip').hidden = true; showDetail(); draw(); });
canvas.addEventListener('click', event => {
  const i = frameAt(event.clientX, event.clientY);
  if (i >= 0) { chosen = i; zoomTo(i === zoom && i ? tree.parent[i] : i); }
});
graph.addEventListener('scroll', () => { $('tip').hidden = true; draw(); });
dark.addEventListener('change', () => { prepareColours(); draw(); });
new ResizeObserver(layOut).observe(graph);

// ---- the start

$('title').textContent = document.title = data.title;
const compared = data.compared
  ? `${say(upright.before[0])} before, ${say(upright.total[0])} now, ${say(upright.total[0] - upright.before[0], true)}`
  : `${say(upright.total[0])} in all`;
$('facts').textContent = [compared, ...data.facts].join('  ·  ');
$('empty').hidden = upright.width[0] > 0;
space.hidden = !upright.width[0];
const asked = new URLSearchParams(location.hash.slice(1));
setInverted(asked.has('inverted') ? asked.get('inverted') === '1' : data.startInverted);
$('legend').hidden = !data.compared;
$('least').textContent = say(-mostChange);
$('most').textContent = say(mostChange, true);
if (+asked.get('zoom') > 0 && +asked.get('zoom') < tree.count) zoomTo(Math.floor(+asked.get('zoom')));
if (asked.get('q')) { $('search').value = asked.get('q'); setSearch(asked.get('q')); }
})();
