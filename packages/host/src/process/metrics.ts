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

/**
 * Texts of several processes as one: the format wants the samples of a metric in one group, under
 * one HELP and TYPE.
 */
export const mergeMetrics = (texts: readonly string[]): string => {
  const groups = new Map<string, { readonly head: string[]; readonly samples: string[] }>();
  for (const text of texts) {
    let samples: string[] = [];
    for (const line of text.split("\n")) {
      const name = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1];
      if (name === undefined) {
        if (line !== "") samples.push(line);
        continue;
      }
      const known = groups.get(name);
      const group = known ?? { head: [], samples: [] };
      groups.set(name, group);
      const kind = line.slice(0, 6);
      if (!group.head.some((each) => each.startsWith(kind))) group.head.push(line);
      ({ samples } = group);
    }
  }
  return [...groups.values()]
    .map(({ head, samples }) => `${[...head, ...samples].join("\n")}\n`)
    .join("\n");
};
