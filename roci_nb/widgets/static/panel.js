// ipywidgets names its fields by their labels, but no slider's handle and no button that is only a sign.
const nameAll = (root) => {
  for (const row of root.querySelectorAll(".roci-row")) {
    const name = row.querySelector(".roci-name span")?.textContent;
    if (!name) continue;
    for (const handle of row.querySelectorAll(".noUi-handle")) handle.setAttribute("aria-label", name);
    for (const input of row.querySelectorAll("input, textarea, select")) input.setAttribute("aria-label", name);
  }
  for (const button of root.querySelectorAll("button[title]")) button.setAttribute("aria-label", button.title);
};

export default {
  render({ el }) {
    let frame = 0;
    let observer = null;
    const begin = () => {
      const root = el.closest(".roci-panel");
      if (!root) {
        frame = requestAnimationFrame(begin);
        return;
      }
      const later = () => {
        cancelAnimationFrame(frame);
        frame = requestAnimationFrame(() => nameAll(root));
      };
      observer = new MutationObserver(later);
      observer.observe(root, { childList: true, subtree: true });
      nameAll(root);
    };
    begin();
    return () => {
      cancelAnimationFrame(frame);
      observer?.disconnect();
    };
  },
};
