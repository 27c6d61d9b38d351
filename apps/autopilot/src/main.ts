/**
 * The page's entry: lets the browser paint what the document holds already, then loads the rest,
 * whose evaluation takes longer than all else. A tab in the background paints nothing and does not
 * wait.
 */
import "./style/index.css";

/** Longest wait for a paint, in milliseconds. */
const paintMs = 100;

const painted = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, paintMs);
    requestAnimationFrame(() => setTimeout(resolve));
  });

const start = async (): Promise<void> => {
  const root = document.querySelector("#root");
  await painted();
  const { mount } = await import("./app.tsx");
  if (root !== null) mount(root);
};

void start();
