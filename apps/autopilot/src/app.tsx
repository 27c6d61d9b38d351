/** Mounts the screens, listens for events and keys. */
import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { listen } from "./api/events.ts";
import { queryClient } from "./api/queries.ts";
import { router } from "./router.tsx";
import { listenForKeys } from "./view/keys.ts";

/** Takes the place of what the document shows meanwhile. */
export const mount = (root: Element): void => {
  const { signal } = new AbortController();
  listen(signal);
  listenForKeys((to) => void router.navigate({ to }), signal);
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  );
};
