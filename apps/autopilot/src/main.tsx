/** The page's entry: mounts the screens into the document. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

const root = document.querySelector("#root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <p>hello</p>
    </StrictMode>,
  );
}
