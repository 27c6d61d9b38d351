/**
 * The screens and their addresses, after the `#`: the console serves one document, and a reload or
 * a bookmark leads to the same screen.
 */
import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { isPolicyTab, type PolicyTab } from "./pure/policy-tabs.ts";
import { Shell } from "./screens/shell.tsx";
import { Tasks } from "./screens/tasks.tsx";

const root = createRootRoute({ component: Shell });

const tasks = createRoute({ getParentRoute: () => root, path: "/", component: Tasks });

export const runRoute = createRoute({
  getParentRoute: () => root,
  path: "/task/$session",
  component: lazyRouteComponent(() => import("./screens/run.tsx"), "Run"),
});

const receipts = createRoute({
  getParentRoute: () => root,
  path: "/receipts",
  validateSearch: (search): { readonly session?: string; readonly open?: number } => ({
    ...(typeof search["session"] === "string" ? { session: search["session"] } : {}),
    ...(typeof search["open"] === "number" ? { open: search["open"] } : {}),
  }),
  component: lazyRouteComponent(() => import("./screens/receipts.tsx"), "Receipts"),
});

const memory = createRoute({
  getParentRoute: () => root,
  path: "/memory",
  component: lazyRouteComponent(() => import("./screens/memory.tsx"), "MemoryScreen"),
});

const policy = createRoute({
  getParentRoute: () => root,
  path: "/policy",
  validateSearch: (search): { readonly tab?: PolicyTab; readonly receipt?: number } => ({
    ...(isPolicyTab(search["tab"]) ? { tab: search["tab"] } : {}),
    ...(typeof search["receipt"] === "number" ? { receipt: search["receipt"] } : {}),
  }),
  component: lazyRouteComponent(() => import("./screens/policy.tsx"), "Policy"),
});

const connect = createRoute({
  getParentRoute: () => root,
  path: "/connect",
  component: lazyRouteComponent(() => import("./screens/connect.tsx"), "Connect"),
});

const doctor = createRoute({
  getParentRoute: () => root,
  path: "/doctor",
  component: lazyRouteComponent(() => import("./screens/doctor.tsx"), "Doctor"),
});

const tour = createRoute({
  getParentRoute: () => root,
  path: "/tour",
  component: lazyRouteComponent(() => import("./screens/tour.tsx"), "Tour"),
});

export const router = createRouter({
  routeTree: root.addChildren([tasks, runRoute, memory, policy, receipts, connect, doctor, tour]),
  history: createHashHistory(),
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
