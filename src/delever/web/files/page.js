// What the browser does by itself: tell the page what was chosen, keep the cursor where it was, mark what is changed.
(() => {
  const act = (what, value, also) => emitEvent('act', { do: what, value: String(value ?? ''), with: String(also ?? '') });
  const told = box => act(box.dataset.do, box.type === 'range' ? box.value / 100 : box.value, box.dataset.with);
  addEventListener('click', e => {
    const copy = e.target.closest('[data-copy]'), box = e.target.closest('[data-do]');
    if (copy) {
      e.preventDefault();
      const text = copy.dataset.copy === 'href' ? copy.href : copy.dataset.copy;
      if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => said('copied'), () => prompt('Copy', text));
      else prompt('Copy', text);
    } else if (box && !box.matches('input,select')) {
      const from = box.dataset.from && document.getElementById(box.dataset.from);
      act(box.dataset.do, from ? from.value : box.dataset.value, box.dataset.with);
    }
  });
  addEventListener('change', e => {
    if (e.target.dataset.files) send([...e.target.files]);
    else if (e.target.matches('[data-do]') && !e.target.dataset.live) told(e.target);
  });
  let due = 0;
  addEventListener('input', e => {
    if (e.target.id === 'find') return find(e.target.value.toLowerCase());
    if (!e.target.dataset.live) return;
    const out = e.target.parentElement.querySelector('output'), box = e.target;
    if (out) out.textContent = box.value === '0' ? 'stays' : (box.value > 0 ? '+' : '\u2212') + Math.abs(box.value) + '\u00a0%';
    clearTimeout(due);
    due = setTimeout(() => told(box), 40);
  });
  addEventListener('keydown', e => {
    if (e.key === 'Enter' && e.target.matches('input') && e.target.form) { e.preventDefault(); e.target.blur(); e.target.focus(); }
  });
  addEventListener('submit', e => e.preventDefault());
  // Files: each is sent to where this browser's are kept, then what came of it is shown.
  const send = async files => {
    const names = [];
    for (const file of files) {
      const answer = await fetch('drop/' + window.clientId, { method: 'POST', body: file, headers: { 'X-Name': encodeURIComponent(file.name) } });
      if (!answer.ok) return act('refused', await answer.text());
      names.push(await answer.text());
    }
    if (names.length) act('dropped', JSON.stringify(names));
  };
  addEventListener('dragover', e => e.preventDefault());
  addEventListener('drop', e => { e.preventDefault(); send([...e.dataTransfer.files]); });
  const find = text => {
    for (const row of document.querySelectorAll('.par tr[data-path]')) row.hidden = !row.dataset.path.toLowerCase().includes(text);
    for (const group of document.querySelectorAll('details.group')) {
      const some = [...group.querySelectorAll('tr[data-path]')].some(row => !row.hidden);
      group.hidden = !some;
      if (text && some) group.open = true;
    }
  };
  const said = text => { document.getElementById('said').textContent = text; };
  // A region that is drawn anew takes the cursor with it: it goes back to where it was, by name.
  const name = box => box.id ? '#' + CSS.escape(box.id) : box.dataset.do ? ['do', 'value', 'with'].filter(key => box.dataset[key] !== undefined)
    .map(key => `[data-${key}="${CSS.escape(box.dataset[key])}"]`).join('') : '';
  let last = '';
  addEventListener('focusin', e => { last = name(e.target); });
  addEventListener('pointerdown', () => { last = ''; });
  new MutationObserver(() => {
    if (last && document.activeElement === document.body) document.querySelector(last)?.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, subtree: true });
  // Which fields are changed, and which cannot be: the table of parameters itself stays.
  window.mark = (settings, bad) => {
    for (const row of document.querySelectorAll('.par tr[data-path]')) {
      const path = row.dataset.path, box = row.querySelector('input,select');
      const value = settings[path] ?? '';
      row.classList.toggle('new', value !== '');
      row.classList.toggle('bad', path === bad);
      if (path === bad) { box.setAttribute('aria-invalid', 'true'); box.setAttribute('aria-describedby', 'err'); }
      else { box.removeAttribute('aria-invalid'); box.removeAttribute('aria-describedby'); if (box !== document.activeElement) box.value = value; }
    }
  };
})();
