(() => {
  const root = document.documentElement, tip = document.getElementById('tip');
  let lit = null, held = false;
  const hide = () => { tip.style.display = 'none'; if (lit) lit.classList.remove('hit'); lit = null; held = false; };
  const show = (mark, text, x, y) => {
    hide();
    tip.textContent = text;
    tip.style.display = 'block';
    tip.style.left = Math.max(8, Math.min(innerWidth - tip.offsetWidth - 8, x + 14)) + 'px';
    tip.style.top = (y + tip.offsetHeight + 22 > innerHeight ? y - tip.offsetHeight - 12 : y + 16) + 'px';
    if (mark.ownerSVGElement) { lit = mark; mark.classList.add('hit'); }
  };
  addEventListener('pointermove', e => {
    const mark = e.target.closest && e.target.closest('.plot [aria-label], [data-tip]');
    if (mark) show(mark, mark.dataset.tip || mark.getAttribute('aria-label'), e.clientX, e.clientY);
    else if (!held) hide();
  });
  addEventListener('focusin', e => {
    hide();
    if (!e.target.dataset.tip) return;
    const at = e.target.getBoundingClientRect();
    show(e.target, e.target.dataset.tip, at.left, at.bottom);
    held = true;
  });
  addEventListener('keydown', e => {
    if (e.key === 'Escape') return hide();
    const figure = document.activeElement;
    if (!figure.matches('figure') || !['ArrowLeft', 'ArrowRight'].includes(e.key)) return;
    const marks = [...figure.querySelectorAll('.plot svg')].filter(svg => getComputedStyle(svg).display !== 'none')
      .flatMap(svg => [...svg.querySelectorAll('[aria-label]')]);
    if (!marks.length) return;
    e.preventDefault();
    const next = (+(figure.dataset.at ?? -1) + (e.key === 'ArrowRight' ? 1 : -1) + marks.length) % marks.length;
    figure.dataset.at = next;
    const at = marks[next].getBoundingClientRect();
    show(marks[next], marks[next].getAttribute('aria-label'), at.right, at.top + at.height / 2);
    held = true;
  });
  const theme = document.querySelector('.theme');
  const dark = () => root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  const say = () => { theme.textContent = dark() ? 'Light' : 'Dark'; theme.setAttribute('aria-pressed', dark()); };
  theme.onclick = () => { root.dataset.theme = dark() ? 'light' : 'dark'; say(); };
  say();
  const table = document.getElementById('accounts');
  if (!table) return;
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstElementChild.onclick = () => {
    const up = head.getAttribute('aria-sort') === 'descending';
    heads.forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const of = row => { const cell = row.cells[column]; return cell.dataset.v === undefined ? cell.textContent : +cell.dataset.v; };
    const rows = [...body.rows].sort((a, b) => (of(a) > of(b) ? 1 : of(a) < of(b) ? -1 : 0) * (up ? 1 : -1));
    body.append(...rows);
  });
  const find = document.getElementById('find'), count = document.getElementById('count');
  find.oninput = () => {
    const wanted = find.value.toLowerCase();
    let shown = 0;
    for (const row of body.rows) {
      row.hidden = !(row.textContent + [...row.querySelectorAll('code')].map(name => name.title)).toLowerCase().includes(wanted);
      shown += !row.hidden;
    }
    count.textContent = shown + ' rows';
  };
  document.getElementById('save').onclick = () => {
    const quote = text => '"' + (/^[=+@]/.test(text) ? "'" : '') + text.replaceAll('"', '""') + '"';
    const said = cell => cell.dataset.v ?? (cell.querySelector('code') || {}).title ?? cell.textContent;
    const rows = [heads.map(head => quote(head.textContent)), ...[...body.rows].filter(row => !row.hidden).map(row => [...row.cells].map(cell => quote(said(cell))))];
    const link = document.createElement('a');
    link.href = 'data:text/csv;charset=utf-8,' + encodeURIComponent(rows.map(row => row.join(',')).join('\n'));
    link.download = 'positions.csv';
    link.click();
  };
})();
