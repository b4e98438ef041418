// Runs in the window's page: notes when keys go down, and every change of the suggestion on the screen. See page.ts.
(() => {
  const keys = [];
  const sights = [];
  let last = "";

  const epoch = (ms) => performance.timeOrigin + ms;
  const plain = (text) => text.replaceAll("\u00a0", " ").replaceAll("\u200b", "");
  const ghostInLine = "[class*=ghost-text-decoration]";

  function lineWithoutGhost(viewLine) {
    let text = "";
    const nodes = document.createTreeWalker(viewLine, NodeFilter.SHOW_TEXT);
    for (let node = nodes.nextNode(); node !== null; node = nodes.nextNode()) {
      if (node.parentElement.closest(ghostInLine) === null) text += node.textContent;
    }
    return plain(text);
  }

  function look() {
    const inline = [...document.querySelectorAll(`.monaco-editor .view-line ${ghostInLine}`)];
    const below = [...document.querySelectorAll(".monaco-editor .suggest-preview-text .view-line")];
    const rest = inline.map((element) => element.textContent).join("");
    const ghost = plain([rest, ...below.map((element) => element.textContent)].join("\n")).trimEnd();
    const viewLine = inline[0]?.closest(".view-line");
    const sight = { ghost, line: viewLine ? lineWithoutGhost(viewLine) : undefined };
    const signature = JSON.stringify(sight);
    if (signature !== last) sights.push({ at: epoch(performance.now()), ...sight });
    last = signature;
  }

  new MutationObserver(look).observe(document.body, { childList: true, characterData: true, subtree: true });
  addEventListener("keydown", ({ timeStamp }) => keys.push(epoch(timeStamp)), { capture: true });
  window.takeSeen = () => ({ keys: keys.splice(0), sights: sights.splice(0) });
})();
