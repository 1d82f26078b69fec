// Runs before the first paint, so that a chosen theme does not flash. A stored choice wins over the system's.
(() => {
  const KEY = 'warren-theme';
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const read = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const apply = () => {
    const chosen = read();
    root.dataset.theme = chosen === 'dark' || chosen === 'light' ? chosen : system.matches ? 'dark' : 'light';
    dispatchEvent(new Event('themechange'));
  };
  system.addEventListener('change', apply);
  addEventListener('toggletheme', () => {
    const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    root.dataset.theme = next;
    dispatchEvent(new Event('themechange'));
  });
  apply();
})();
