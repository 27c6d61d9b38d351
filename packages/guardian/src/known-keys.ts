/**
 * Keys of services as people keep them in the environment, and where each may go. What is not listed
 * here is not taken from an environment.
 */
import type { SecretBinding } from "./secrets.ts";

const https = (
  host: string,
  pathPrefix: string,
  header = "authorization",
  template = "Bearer {}",
): SecretBinding => ({
  scheme: "https",
  host,
  port: 443,
  method: "",
  pathPrefix,
  header,
  template,
});

export const knownKeys: ReadonlyMap<string, SecretBinding> = new Map([
  ["ANTHROPIC_API_KEY", https("api.anthropic.com", "/v1", "x-api-key", "{}")],
  ["DEEPSEEK_API_KEY", https("api.deepseek.com", "/")],
  ["GEMINI_API_KEY", https("generativelanguage.googleapis.com", "/", "x-goog-api-key", "{}")],
  ["GITHUB_TOKEN", https("api.github.com", "/")],
  ["GROQ_API_KEY", https("api.groq.com", "/openai/v1")],
  ["HF_TOKEN", https("router.huggingface.co", "/")],
  ["MISTRAL_API_KEY", https("api.mistral.ai", "/v1")],
  ["OPENAI_API_KEY", https("api.openai.com", "/v1")],
  ["OPENROUTER_API_KEY", https("openrouter.ai", "/api/v1")],
  ["TOGETHER_API_KEY", https("api.together.xyz", "/v1")],
  ["XAI_API_KEY", https("api.x.ai", "/v1")],
]);
