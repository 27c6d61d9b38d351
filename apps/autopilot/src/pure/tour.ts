/**
 * The tour: five real steps in a folder that was made for it. Each is a direct command that goes
 * through the gate as any other.
 */

export interface TourStep {
  readonly id: "allow" | "ask" | "deny" | "undo" | "verify";
  readonly title: string;
  /** What the step types; empty where it does something else. */
  readonly command: string;
  readonly before: string;
  readonly after: string;
}

export const tourSteps: readonly TourStep[] = [
  {
    id: "allow",
    title: "Allowed",
    command: "/read welcome.txt",
    before: "Reading a file in the task's folder. A rule of your policy allows it.",
    after: "It happened at once: the rule that allowed it is named, and two receipts were written.",
  },
  {
    id: "ask",
    title: "Asked",
    command: "/read .ioi-tour",
    before:
      "Reading a file whose name begins with a dot. Such files often hold secrets, so the policy asks.",
    after: "It waited until you had answered. Denied or allowed, your answer is a receipt too.",
  },
  {
    id: "deny",
    title: "Denied",
    command: "/read /etc/shadow",
    before: "Reading a file outside the task's folder. No question is asked: it does not happen.",
    after: "It was refused, with the reason and with what would be allowed instead.",
  },
  {
    id: "undo",
    title: "Undone",
    command: '/write draft.txt "A second draft, to be undone."',
    before:
      "Changing a file, and taking the change back. A copy was kept before anything was written.",
    after: "The file is as it was, to the byte and the time. The undo has receipts of its own.",
  },
  {
    id: "verify",
    title: "Verified",
    command: "",
    before:
      "All of that stands in a signed log. This browser checks it without believing the console.",
    after: "Every receipt is the one that the Guardian signed, in its place.",
  },
];
