// The page of the statistics panel. It draws nothing itself: the extension sends each section's HTML, made of escaped parts.
{
  const editor = acquireVsCodeApi();
  let sections = editor.getState()?.sections ?? {};

  const show = (changed) => {
    for (const [id, html] of Object.entries(changed)) {
      const element = document.getElementById(id);
      if (element !== null) element.innerHTML = html;
    }
  };

  window.addEventListener("message", ({ data }) => {
    sections = { ...sections, ...data.sections };
    editor.setState({ sections });
    show(data.sections);
  });
  document.getElementById("reset").addEventListener("click", () => editor.postMessage({ type: "resetSuggestions" }));

  show(sections);
  const calm =
    document.body.classList.contains("vscode-reduce-motion") || matchMedia("(prefers-reduced-motion: reduce)").matches;
  editor.postMessage({ type: "ready", calm });
}
