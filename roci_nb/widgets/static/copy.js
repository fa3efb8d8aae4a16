// A text to select, and a button for the clipboard; where the page may not write to it, the text is selected instead.
export default {
  render({ model, el }) {
    const box = document.createElement("div");
    box.className = "roci-copy";
    const text = document.createElement("pre");
    text.tabIndex = 0;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "jupyter-button lm-Widget";
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    const draw = () => {
      text.textContent = model.get("text");
      text.setAttribute("aria-label", model.get("label"));
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy ${model.get("label")}`);
      said.textContent = "";
      box.hidden = !model.get("text");
    };
    const select = () => {
      const range = document.createRange();
      range.selectNodeContents(text);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
    };
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(model.get("text"));
        said.textContent = "copied";
      } catch {
        select();
        said.textContent = "selected: copy it with the keyboard";
      }
    });
    model.on("change:text", draw);
    model.on("change:label", draw);
    const bar = document.createElement("div");
    bar.append(button, said);
    box.append(text, bar);
    el.append(box);
    draw();
    return () => {
      model.off("change:text", draw);
      model.off("change:label", draw);
    };
  },
};
