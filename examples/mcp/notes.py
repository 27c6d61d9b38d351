"""A small MCP server (2025-11-25, stdio) without dependencies: notes in a folder.

    python3 notes.py FOLDER
"""

import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])


def tool(name, about, /, **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": about, "inputSchema": schema}


text = {"type": "string"}
tools = [
    tool("list_notes", "Names of all notes."),
    tool("read_note", "The text of a note.", name=text),
    tool("write_note", "Writes a note, whole.", name=text, text=text),
]


def call(name, given):
    if name == "list_notes":
        return "\n".join(sorted(each.name for each in folder.iterdir()))
    if name == "read_note":
        return (folder / given["name"]).read_text("utf-8")
    if name == "write_note":
        (folder / given["name"]).write_text(given["text"], "utf-8")
        return "written"
    raise ValueError(f"there is no tool {name}")


def answer(method, params):
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "notes", "version": "1.0.0"},
        }
    if method == "tools/list":
        return {"tools": tools}
    if method == "tools/call":
        try:
            said = call(params["name"], params.get("arguments", {}))
            return {"content": [{"type": "text", "text": said}]}
        except Exception as error:
            return {"content": [{"type": "text", "text": str(error)}], "isError": True}
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        result = answer(message["method"], message.get("params", {}))
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
