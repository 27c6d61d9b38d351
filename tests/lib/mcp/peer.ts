/** The official clients as far as the tests use them: two packages with one shape. */
export interface PeerClient {
  connect(transport: unknown): Promise<void>;
  close(): Promise<void>;
  request(request: object, schema: unknown, options?: object): Promise<unknown>;
  callTool(call: object, ...more: readonly unknown[]): Promise<unknown>;
  listTools(params?: object): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  listResources(params?: object): Promise<unknown>;
  listResourceTemplates(params?: object): Promise<unknown>;
  readResource(params: object): Promise<unknown>;
  subscribeResource(params: object): Promise<unknown>;
  unsubscribeResource(params: object): Promise<unknown>;
  listPrompts(params?: object): Promise<unknown>;
  getPrompt(params: object): Promise<unknown>;
  complete(params: object): Promise<unknown>;
  ping(): Promise<unknown>;
  setLoggingLevel(level: string): Promise<unknown>;
  sendRootsListChanged(): Promise<void>;
  getServerVersion(): unknown;
  getServerCapabilities(): unknown;
  getInstructions(): unknown;
  setRequestHandler(
    what: unknown,
    handler: (request: { readonly params: unknown }) => Promise<object>,
  ): void;
  fallbackNotificationHandler?: (notification: { readonly method: string }) => Promise<void>;
}

export interface PeerTransport {
  readonly stderr: NodeJS.ReadableStream | null;
  readonly pid: number | null;
}

export interface PeerClass {
  readonly Client: new (info: object, options: object) => PeerClient;
  readonly Transport: new (options: object) => PeerTransport;
  readonly Remote?: (new (url: URL, options?: object) => object) | undefined;
}

export interface Peer extends PeerClass {
  readonly version: string;
}
