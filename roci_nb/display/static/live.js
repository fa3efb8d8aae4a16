// The live view of one answer. A model's state stands in the closure, which its views share; messages from the kernel
// say what is new by offset and may come twice or be lost: a gap makes the view ask for everything. Only the blocks
// are HTML, rendered by the kernel's own renderer; all else is text.
const LONGEST_PIECE = 2000; // characters in one element: a browser lays out one long run of text again at each change
const AT_END = 6; // pixels
const LONGEST_PAUSE = 30_000; // milliseconds

const append = (box, text) => {
  let last = box.lastElementChild;
  const cut = last && last.firstChild.length > LONGEST_PIECE ? text.indexOf("\n") : -1;
  if (cut >= 0) {
    last.firstChild.appendData(text.slice(0, cut));
    text = text.slice(cut + 1);
  }
  if (!last || cut >= 0) {
    last = box.appendChild(document.createElement("div"));
    last.append(document.createTextNode(""));
  }
  last.firstChild.appendData(text);
};

const make = (tag, className, attributes = {}) => {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

const scrollerOf = (node) => {
  for (let up = node.parentElement; up; up = up.parentElement) {
    const flow = getComputedStyle(up).overflowY;
    if ((flow === "auto" || flow === "scroll") && up.scrollHeight > up.clientHeight + 1) return up;
  }
  return document.scrollingElement;
};

const bottomOf = (scroller) =>
  scroller === document.scrollingElement ? window.innerHeight : scroller.getBoundingClientRect().bottom;

const createView = (el, state, send) => {
  const root = make("div", "roci-live jp-RenderedHTMLCommon jp-RenderedHTML", { role: "group", "aria-label": "answer" });
  const heading = make("div", "roci-grey");
  const notices = make("div", "roci-amber");
  const bar = make("div", "roci-bar roci-grey");
  const phase = make("span", "", { role: "status" });
  const clock = make("span", "", { "aria-hidden": "true" });
  const stop = make("button", "roci-stop", { type: "button", title: "Stop this answer; what has come is kept" });
  stop.textContent = "■ Stop";
  stop.addEventListener("click", () => {
    stop.disabled = true;
    stop.textContent = "■ stopping…";
    send({ stop: true });
  });
  bar.append(phase, clock, stop);
  const thoughts = make("details", "roci-thoughts roci-grey");
  const summary = document.createElement("summary");
  const box = make("div", "roci-box", { tabindex: "0", role: "region", "aria-label": "reasoning" });
  thoughts.append(summary, box);
  const answer = make("div", "roci-answer", { "aria-live": "polite", "aria-relevant": "additions" });
  const open = make("div", "roci-open");
  root.append(heading, notices, thoughts, answer, open, bar);
  el.append(root);
  const drawn = { blocks: 0, open: "", openLength: 0, reasoning: 0, touched: false, folded: false };
  summary.addEventListener("click", () => (drawn.touched = true));

  const drawReasoning = () => {
    const { reasoning, answering, look } = state;
    thoughts.hidden = !reasoning || look === "hide";
    if (thoughts.hidden) return;
    summary.textContent = state.thought;
    if (!drawn.folded) {
      drawn.folded = answering;
      // The page must not jump when the box folds: the room that it took stays the answer's.
      if (answering && drawn.reasoning && look !== "show") root.style.minHeight = `${root.offsetHeight}px`;
      box.classList.toggle("roci-short", !answering);
      if (!drawn.touched) thoughts.open = !answering || look === "show";
    }
    if (reasoning.length > drawn.reasoning) {
      const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < AT_END;
      append(box, reasoning.slice(drawn.reasoning));
      drawn.reasoning = reasoning.length;
      if (atEnd && !answering) box.scrollTop = box.scrollHeight;
    }
  };

  const drawAnswer = () => {
    for (; drawn.blocks < state.blocks.length; drawn.blocks++) {
      const block = document.createElement("div");
      block.innerHTML = state.blocks[drawn.blocks];
      answer.append(block);
    }
    const { at, kind, text } = state.open;
    if (drawn.open !== at + kind) {
      drawn.open = at + kind;
      drawn.openLength = 0;
      open.replaceChildren();
      open.classList.toggle("roci-code", kind === "code");
    }
    if (text.length > drawn.openLength) {
      append(open, text.slice(drawn.openLength));
      drawn.openLength = text.length;
    }
    open.hidden = !text;
  };

  const draw = () => {
    if (state.final !== null) {
      if (!drawn.final) root.innerHTML = state.final;
      drawn.final = true;
      return;
    }
    const scroller = scrollerOf(root);
    const before = root.getBoundingClientRect().bottom;
    const following = before > 0 && before <= bottomOf(scroller) + AT_END;
    heading.textContent = state.heading;
    notices.textContent = state.notices;
    if (phase.textContent !== state.phase) phase.textContent = state.phase;
    clock.textContent = state.clock;
    stop.hidden = !state.stop;
    bar.hidden = !state.phase && !state.stop;
    drawReasoning();
    drawAnswer();
    const past = root.getBoundingClientRect().bottom - bottomOf(scroller);
    if (following && past > 0) scroller.scrollTop += past;
  };
  return { draw, remove: () => root.remove() };
};

export default () => {
  const state = {
    heading: "", notices: "", phase: "", clock: "", thought: "", look: "fold", answering: false, stop: false,
    blocks: [], open: { at: 0, kind: "text", text: "" }, reasoning: "", final: null,
  };
  const views = new Set();
  const page = Math.random().toString(36).slice(2);
  let send = () => {};
  let frame = 0;
  let timer = 0;
  let asked = false;
  let answered = false;

  // What is sent before the front end has its own channel to a busy kernel waits until the cell has ended.
  const announce = (pause) => {
    if (answered || state.final !== null || pause > LONGEST_PAUSE) return;
    send({ ready: page });
    timer = setTimeout(() => announce(2 * pause), pause);
  };
  const draw = () => {
    frame = 0;
    for (const view of views) view.draw();
  };
  const extend = (text, offset, more) => (offset > text.length ? null : text.slice(0, offset) + more);
  const take = (message) => {
    let whole = true;
    for (const [index, html] of message.blocks ?? []) {
      if (index > state.blocks.length) whole = false;
      else state.blocks[index] = html;
    }
    if (message.reasoning) {
      const text = extend(state.reasoning, ...message.reasoning);
      if (text === null) whole = false;
      else state.reasoning = text;
    }
    if (message.open) {
      const [at, kind, offset, more] = message.open;
      const same = state.open.at === at && state.open.kind === kind;
      const text = extend(same ? state.open.text : "", offset, more);
      if (text === null || at > state.blocks.length) whole = false;
      else state.open = { at, kind, text };
    }
    Object.assign(state, message.state ?? {});
    if (message.ready === page) answered = true;
    if (!whole && !asked) send({ ready: page });
    asked = !whole;
    frame ||= requestAnimationFrame(draw);
  };

  return {
    initialize({ model }) {
      send = (content) => model.send(content);
      model.on("msg:custom", take);
      announce(200);
      return () => {
        clearTimeout(timer);
        model.off("msg:custom", take);
      };
    },
    render({ el }) {
      const view = createView(el, state, (content) => send(content));
      views.add(view);
      view.draw();
      return () => {
        views.delete(view);
        view.remove();
      };
    },
  };
};
