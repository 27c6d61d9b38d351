/** The metrics of one process, in Prometheus' text format. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

const registry = new Registry();
let collecting = false;

/** Names this process on every series; call once at start. */
export const startMetrics = (processName: string): void => {
  registry.setDefaultLabels({ process: processName });
  if (!collecting)
    collectDefaultMetrics({
      register: registry,
      prefix: "ioi_",
      // The default looks a hundred times a second, also where nothing happens.
      eventLoopMonitoringPrecision: 1000,
    });
  collecting = true;
};

export const counter = (name: string, help: string, labelNames: readonly string[] = []): Counter =>
  new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });

export const gauge = (name: string, help: string, labelNames: readonly string[] = []): Gauge =>
  new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });

export const histogram = (name: string, help: string, buckets: readonly number[]): Histogram =>
  new Histogram({ name, help, buckets: [...buckets], registers: [registry] });

export const metricsText = (): Promise<string> => registry.metrics();
