/**
 * What a wallet may spend in a day, by asset: set aside before, spent or given back after. What has
 * no cap where caps are given has nothing to spend. Amounts are scaled integers (`./kinds/money.ts`).
 *
 * Invariant: what is set aside and spent within any day never exceeds the cap, however many payments
 * are under way, unless a person let one go beyond. Bounds: `walletPaymentsMax`. Pure: time is an
 * argument.
 */
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { walletPaymentsMax } from "./limits.ts";

type Refused = Rejection<"E_BUDGET_EXCEEDED" | "E_BUDGET_UNKNOWN">;
type Caps = ReadonlyMap<string, bigint> | undefined;

interface Payment {
  readonly asset: string;
  readonly amount: bigint;
  readonly atMs: number;
  readonly settled: boolean;
}

const dayMs = 86_400_000;

export class WalletLedger {
  readonly #payments = new Map<bigint, Payment>();

  #spent(asset: string, nowMs: number): bigint {
    let sum = 0n;
    for (const each of this.#payments.values()) {
      // What is not settled counts however old it is.
      const counts = each.asset === asset && (!each.settled || each.atMs > nowMs - dayMs);
      if (counts) sum += each.amount;
    }
    return sum;
  }

  /** The budget that the payment would exceed, as asks name it. */
  exceeded(caps: Caps, asset: string, amount: bigint, nowMs: number): readonly string[] {
    if (caps === undefined) return [];
    const beyond = this.#spent(asset, nowMs) + amount > (caps.get(asset) ?? 0n);
    return beyond ? [`wallet.per_day.${asset}`] : [];
  }

  reserve(
    counter: bigint,
    payment: { readonly asset: string; readonly amount: bigint; readonly atMs: number },
    caps: Caps,
    approved: readonly string[] = [],
  ): Result<void, Refused> {
    const { asset, amount, atMs } = payment;
    if (this.#payments.has(counter)) {
      return err({ code: "E_BUDGET_UNKNOWN", message: `the ticket ${counter} twice` });
    }
    for (const [each, { settled, atMs: then }] of this.#payments) {
      if (settled && then <= atMs - dayMs) this.#payments.delete(each);
    }
    const beyond = this.exceeded(caps, asset, amount, atMs).filter((id) => !approved.includes(id));
    if (beyond.length > 0) {
      return err({ code: "E_BUDGET_EXCEEDED", message: `used up: ${beyond.join(", ")}` });
    }
    if (this.#payments.size >= walletPaymentsMax) {
      return err({ code: "E_BUDGET_EXCEEDED", message: "too many payments in a day" });
    }
    this.#payments.set(counter, { asset, amount, atMs, settled: false });
    return ok(undefined);
  }

  /** It was paid, or nobody knows. */
  commit(counter: bigint): Result<void, Refused> {
    const payment = this.#payments.get(counter);
    if (payment === undefined) {
      return err({ code: "E_BUDGET_UNKNOWN", message: `no payment for ticket ${counter}` });
    }
    this.#payments.set(counter, { ...payment, settled: true });
    return ok(undefined);
  }

  /** It surely was not paid. */
  release(counter: bigint): void {
    if (this.#payments.get(counter)?.settled === false) this.#payments.delete(counter);
  }
}
