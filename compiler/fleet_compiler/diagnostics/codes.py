"""Every diagnostic's code, with what `fleet explain` and docs/diagnostics.md say of it.

F0: the file and its YAML. F1: the schema. F2: rules between parts of the file, from F250 on warnings.
F3: fleet.lock and the machines. F4: changes of fleet.yaml by command.
"""

from __future__ import annotations

from dataclasses import dataclass

EXAMPLE_HEAD = "version: 1\ndefault_provider: box\n"
EXAMPLE_PROVIDERS = "providers:\n  box: http://192.168.1.20:8080\n"


@dataclass(frozen=True, slots=True)
class Code:
    """`title` is a few words, `text` says why and what to do; `wrong` and `right` are examples.

    An example is the part of a fleet.yaml that matters; `whole_example` adds what it leaves out.
    """

    title: str
    text: str
    wrong: str | None = None
    right: str | None = None


def whole_example(part: str) -> str:
    """A whole fleet.yaml around the part that an example shows."""
    if "version:" in part:
        return part
    head = EXAMPLE_HEAD.partition("\n")[0] + "\n" if "default_provider:" in part else EXAMPLE_HEAD
    return f"{head}{'' if 'providers:' in part.splitlines() else EXAMPLE_PROVIDERS}{part}\n"


CODES: dict[str, Code] = {
    "F000": Code(
        "more findings than are shown",
        "At most 50 findings are shown in one run. Mend these; the rest often goes with them.",
    ),
    "F001": Code(
        "file cannot be read",
        "The file does not exist, is a directory, or may not be read by this user. `fleet` looks for"
        " fleet.yaml"
        " in this folder and in those above it, or takes `-f FILE`; `-` is standard input.",
    ),
    "F002": Code(
        "file is empty",
        "A fleet.yaml holds at least a version, a default provider and one provider.",
        "# nothing but a comment; version: and the rest are missing",
        EXAMPLE_HEAD + EXAMPLE_PROVIDERS,
    ),
    "F003": Code(
        "file is not UTF-8",
        "Files are read as UTF-8, with or without a byte order mark, so that they mean the same on every"
        " system. Editors call it 'UTF-8', not 'Unicode' and not 'UTF-16'.",
    ),
    "F004": Code(
        "character that is not allowed",
        "Control characters, line separators that YAML versions disagree on, and marks that change the"
        " direction of text could make a file look different from what it says. In double quotes each can be"
        " written as an escape.",
        None,
        'providers:\n  box: {url: "http://192.168.1.20:8080", label: "Box\\u2028one"}',
    ),
    "F005": Code(
        "file is too large",
        "A fleet.yaml may have 1 MiB. Models need not be written down: machines are asked for theirs.",
    ),
    "F006": Code(
        "nested too deeply",
        "A fleet.yaml needs no more than a few levels; twenty are allowed. A bracket is probably not closed.",
        "namespaces: [[[[[[[[[[[[[[[[[[[[[[old]]]]]]]]]]]]]]]]]]]]]]",
        "namespaces: [old]",
    ),
    "F010": Code(
        "not valid YAML",
        "The text cannot be read as YAML at this place; the cause may stand a little before it. Often it is"
        " an"
        " indentation, a quote or bracket that is not closed, or a value with ': ' that needs quotes.",
        "surfaces:\n  opencode: {client: opencode",
        "surfaces:\n  opencode: {client: opencode}",
    ),
    "F011": Code(
        "tab character",
        "YAML forbids tabs in indentation, and elsewhere readers treat them differently. Set the editor to"
        " insert spaces.",
        "namespaces:\n\t- old",
        "namespaces:\n  - old",
    ),
    "F012": Code(
        "key written twice",
        "Of two equal keys most readers silently drop one; which one, differs.",
        "providers:\n  box: http://192.168.1.20:8080\n  box: http://192.168.1.21:8080",
        "providers:\n  box: http://192.168.1.20:8080\n  box-2: http://192.168.1.21:8080",
    ),
    "F013": Code(
        "key is not text",
        "Keys such as `1`, `1.5`, `true` or `null` are numbers or words to YAML. In quotes they are text.",
        "providers:\n  box: {url: http://192.168.1.20:8080, models: {7: {context: 8192}}}",
        'providers:\n  box: {url: http://192.168.1.20:8080, models: {"7": {context: 8192}}}',
    ),
    "F014": Code(
        "anchor or alias",
        "A configuration is read by people: each value is written where it holds. Roles and defaults make"
        " most"
        " repetition needless.",
        "gateway: {hosts: &names [a.lan], drain: 5}\nnamespaces: *names",
        "gateway: {hosts: [a.lan], drain: 5}\nnamespaces: [a.lan]",
    ),
    "F015": Code(
        "merge key",
        "`<<` belongs to YAML 1.1 and not to 1.2. Write the keys out.",
        "gateway:\n  <<: {drain: 5}",
        "gateway: {drain: 5}",
    ),
    "F016": Code(
        "tag",
        "Tags such as `!!str` or `!secret` are not needed: quotes make a value text, and keys come from"
        " `api_key_env` or `api_key_file`.",
        "namespaces: [!!str old]",
        'namespaces: ["old"]',
    ),
    "F017": Code(
        "YAML directive",
        "A file is always read as YAML 1.2; lines that begin with `%` would change that.",
        "%YAML 1.1\n---\nversion: 1",
        EXAMPLE_HEAD + EXAMPLE_PROVIDERS,
    ),
    "F018": Code(
        "several documents",
        "One file is one configuration. Delete what follows the second `---`, or make it a file of its own.",
        EXAMPLE_HEAD + EXAMPLE_PROVIDERS + "---\nversion: 1",
        EXAMPLE_HEAD + EXAMPLE_PROVIDERS,
    ),
    "F019": Code(
        "number that readers disagree on",
        "`010` is eight to some readers and ten to others, `0x1f`, `1_000` and `1:30` are numbers to some and"
        " text to others. Write a plain decimal number, or quotes.",
        "gateway: {drain: 010}",
        "gateway: {drain: 10}",
    ),
    "F020": Code(
        "number out of reach",
        "`.inf`, `.nan` and numbers above 2^53 - 1 cannot be passed on as JSON without loss.",
        "inventory: {grace: .inf}",
        "inventory: {grace: 86400}",
    ),
    "F021": Code(
        "merge-conflict marker",
        "git could not merge two versions of the file and left both in it.",
        "<<<<<<< HEAD\nnamespaces: [old]\n=======\nnamespaces: [older]\n>>>>>>> branch",
        "namespaces: [old, older]",
    ),
    "F101": Code(
        "unknown key",
        "Every key is known or an error, so that a misspelt one cannot silently do nothing.",
        "surfaces:\n  arena: {lable: Arena}",
        "surfaces:\n  arena: {label: Arena}",
    ),
    "F102": Code(
        "missing key",
        "`version`, `default_provider` and `providers` are required, and a `url` wherever a provider or"
        " sidecar"
        " is written as a mapping. All else has a default.",
        "providers:\n  box: {label: Box}",
        "providers:\n  box: {label: Box, url: http://192.168.1.20:8080}",
    ),
    "F103": Code(
        "value of the wrong type",
        "The value is a text, number, list or mapping where another is needed. In YAML 1.2 `yes`, `no`, `on`"
        " and `off` are text; a boolean is `true` or `false`.",
        "surfaces:\n  opencode: {client: opencode, exclusive: no}",
        "surfaces:\n  opencode: {client: opencode, exclusive: false}",
    ),
    "F104": Code(
        "value is not one of those allowed",
        "The key takes one of a few words.",
        "providers:\n  box: {url: http://192.168.1.20:8080, kind: llamaswap}",
        "providers:\n  box: {url: http://192.168.1.20:8080, kind: llama-swap}",
    ),
    "F105": Code(
        "key written into the file",
        "fleet.yaml is committed and shared, and everything generated from it too. It names where a key is"
        " read from; the gateway reads it there. A key that was written here should be replaced by a new"
        " one.",
        "providers:\n  box: {url: https://api.example.com, api_key: a-secret}",
        "providers:\n  box: {url: https://api.example.com, api_key_env: EXAMPLE_API_KEY}",
    ),
    "F106": Code(
        "malformed text",
        "Names, URLs, addresses and sizes have a form. Provider names, for example, are lower-case letters,"
        " digits, '.', '_' and '-'.",
        "surfaces:\n  My Chat:",
        "surfaces:\n  my-chat: {label: My Chat}",
    ),
    "F107": Code(
        "number out of range",
        "Times, sizes and counts have sensible limits; most must be above zero.",
        "inventory: {interval: 0}",
        "inventory: {interval: 10}",
    ),
    "F108": Code(
        "empty, too long or repeated",
        "A list or text that is empty or over its limit, or that names one thing twice.",
        "roles:\n  task: []",
        "roles:\n  task: [box/qwen3-4b]",
    ),
    "F109": Code(
        "keys that exclude each other",
        "Two keys say the same thing in different ways: `url` and `api_base`, `api_key_env` and"
        " `api_key_file`, `env` and `file`.",
        "gateway:\n  keys:\n    laptop: {env: LAPTOP_KEY, file: laptop.key}",
        "gateway:\n  keys:\n    laptop: {env: LAPTOP_KEY}",
    ),
    "F110": Code(
        "unknown version",
        "The version is that of the file's format, not of fleet. There is only version 1 so far.",
        "version: 2\ndefault_provider: box\n" + EXAMPLE_PROVIDERS,
        EXAMPLE_HEAD + EXAMPLE_PROVIDERS,
    ),
    "F199": Code(
        "value is not accepted",
        "The value passed the schema and was refused by the model behind it. That is a fault of fleet's:"
        " please"
        " report it with the line in question.",
    ),
    "F201": Code(
        "unknown provider",
        "`default_provider`, roles, aliases and surfaces name providers by their present name; ids may also"
        " use a former one. What stands before the first '/' of an id is always a provider.",
        "roles:\n  task: bax/qwen3-4b",
        "roles:\n  task: box/qwen3-4b",
    ),
    "F202": Code(
        "name is taken",
        "A former name belongs to one provider and to no present one, and a namespace is no provider's name:"
        " else an id would mean two machines.",
        "namespaces: [box]",
        "namespaces: [llama-swap]",
    ),
    "F203": Code(
        "alias that hides a model or is never asked for",
        "An alias may not begin with a provider's name and '/', since that already means a model of that"
        " provider; nor with '@' (roles) or a namespace (taken off before aliases are looked up).",
        "aliases: {box/qwen: box/qwen3-8b}",
        "aliases: {qwen: box/qwen3-8b}",
    ),
    "F204": Code(
        "model id that cannot be used",
        "A model's id has 1 to 512 bytes, provider and slash included, no control characters, and no '.' or"
        " '..' between slashes, since it becomes part of a path.",
        "roles:\n  task: box/../qwen3-4b",
        "roles:\n  task: box/qwen3-4b",
    ),
    "F205": Code(
        "role that names a role",
        "Roles are lists of models. Write the models of the other role.",
        'roles:\n  default: box/qwen3-8b\n  task: "@default"',
        "roles:\n  default: box/qwen3-8b\n  task: box/qwen3-8b",
    ),
    "F206": Code(
        "surface that may not use what it needs",
        "A surface's own role names a provider that its `providers` or `classes` keep out, or they keep out"
        " every provider.",
        "surfaces:\n  arena: {classes: [cloud]}",
        "surfaces:\n  arena: {classes: [local]}",
    ),
    "F207": Code(
        "unknown key or surface, or a key that does not open it",
        "A surface's `key` is one of gateway.keys that opens the surface; the `surfaces` of a key are"
        " surfaces"
        " of this file.",
        "gateway:\n  keys:\n    laptop: {env: LAPTOP_KEY, surfaces: [opencod]}\nsurfaces:\n  opencode:",
        "gateway:\n  keys:\n    laptop: {env: LAPTOP_KEY, surfaces: [opencode]}\nsurfaces:\n  opencode:",
    ),
    "F208": Code(
        "output as large as the context",
        "Question and answer share the context. Clients that reserve all of it for the answer never get to"
        " ask.",
        "providers:\n  box: {url: http://192.168.1.20:8080, models: {qwen: {context: 8192, output: 8192}}}",
        "providers:\n  box: {url: http://192.168.1.20:8080, models: {qwen: {context: 8192, output: 2048}}}",
    ),
    "F209": Code(
        "address that cannot be used",
        "A port is 1 to 65535, an IPv6 address stands in brackets, and 0.0.0.0 is a place to listen on, not"
        " one to send to. A host name is at most 253 characters: parts of 1 to 63 letters, digits, '-' and"
        " '_', with one dot between two of them.",
        "gateway: {listen: 127.0.0.1:84000}",
        "gateway: {listen: 127.0.0.1:8400}",
    ),
    "F210": Code(
        "credentials in a URL",
        "URLs appear in logs, lists and generated files. Keys come from `api_key_env` or `api_key_file`.",
        "providers:\n  box: http://me:a-password@192.168.1.20:8080",
        "providers:\n  box: {url: http://192.168.1.20:8080, api_key_env: BOX_KEY}",
    ),
    "F211": Code(
        "gateway open to others",
        "Whoever reaches the gateway can use every machine and every paid service behind it. Listening on"
        " anything but loopback needs keys.",
        "gateway: {listen: 0.0.0.0:8400}",
        "gateway:\n  listen: 0.0.0.0:8400\n  keys:\n    laptop: {env: LAPTOP_KEY}",
    ),
    "F212": Code(
        "no address for clients",
        "0.0.0.0 means every address of this host; a client's configuration needs one of them.",
        "gateway: {listen: '0.0.0.0:8400', keys: {laptop: {env: KEY}}}\nsurfaces:\n  opencode: {client:"
        " opencode}",
        "gateway: {listen: '0.0.0.0:8400', url: 'http://fleet.lan:8400', keys: {laptop: {env: KEY}}}\n"
        "surfaces:\n  opencode: {client: opencode}",
    ),
    "F213": Code(
        "output path that cannot be used",
        "Each client's configuration is a file of its own inside the folder of generated files; upper and"
        " lower"
        " case are one, since they are on some systems.",
        "surfaces:\n  laptop: {client: opencode}\n  desktop: {client: opencode}",
        "surfaces:\n  laptop: {client: opencode}\n  desktop: {client: opencode, file: desktop/opencode.json}",
    ),
    "F214": Code(
        "legacy provider that is a provider",
        "The client would be told of two providers with one name. `legacy_provider` is for a name that no"
        " machine has any more.",
        "surfaces:\n  opencode: {client: opencode, legacy_provider: box}",
        "surfaces:\n  opencode: {client: opencode, legacy_provider: llama-swap}",
    ),
    "F215": Code(
        "URL of one endpoint",
        "Examples often show the whole URL of a request, like http://box:8080/v1/chat/completions. fleet adds"
        " the endpoint itself: write the part before it. Where a server really stands below such a path, put"
        " `/v1` after it.",
        "providers:\n  box: http://192.168.1.20:8080/v1/chat/completions",
        "providers:\n  box: http://192.168.1.20:8080",
    ),
    "F250": Code(
        "key sent unencrypted",
        "Anyone between here and a public http address can read the key. Addresses of home networks, tailnets"
        " and names like box.lan are not meant.",
        "providers:\n  box: {url: http://api.example.com, api_key_env: BOX_KEY}",
        "providers:\n  box: {url: https://api.example.com, api_key_env: BOX_KEY}",
    ),
    "F251": Code(
        "provider named like one of opencode's",
        "opencode has a catalogue of providers and adds settings and models of the one with the same name."
        " fleet limits the list to this provider's own models, but some of opencode's habits stay. There is"
        " no"
        " warning where the provider is the very service that the name means.",
        "default_provider: openai\nproviders:\n  openai: http://192.168.1.20:8080\n"
        "surfaces:\n  opencode: {client: opencode}",
        "surfaces:\n  opencode: {client: opencode}",
    ),
    "F252": Code(
        "provider that offers nothing",
        "With `poll: false` a machine is never asked what it serves; without `models` there is nothing to"
        " offer.",
        "providers:\n  box: {url: http://192.168.1.20:8080, poll: false}",
        "providers:\n  box: {url: http://192.168.1.20:8080, poll: false, models: [qwen3-8b]}",
    ),
    "F253": Code(
        "cloud without chosen models",
        "A cloud service may list hundreds of models, all of which cost money and would fill every list.",
        "providers:\n  box: http://192.168.1.20:8080\n"
        "  paid: {url: https://api.example.com, class: cloud, api_key_env: PAID_KEY}",
        "providers:\n  box: http://192.168.1.20:8080\n"
        "  paid: {url: https://api.example.com, class: cloud, api_key_env: PAID_KEY, models: [big-1]}",
    ),
    "F254": Code(
        "doubtful default provider",
        "Bare ids of old sessions go to the default provider: it should be a machine of your own, and"
        " enabled.",
        "providers:\n  box: {url: http://192.168.1.20:8080, enabled: false}",
        "providers:\n  box: {url: http://192.168.1.20:8080}",
    ),
    "F255": Code(
        "setting without effect",
        "Something else in the file keeps this setting from doing anything.",
        "surfaces:\n  arena: {exclusive: false}",
        "surfaces:\n  arena: {client: opencode, exclusive: false}",
    ),
    "F256": Code(
        "client without a key",
        "The gateway wants a key, and it is not clear which one this surface's client shall send.",
        "gateway: {keys: {one: {env: ONE}, two: {env: TWO}}}\nsurfaces:\n  opencode: {client: opencode}",
        "gateway: {keys: {one: {env: ONE}, two: {env: TWO}}}\n"
        "surfaces:\n  opencode: {client: opencode, key: one}",
    ),
    "F257": Code(
        "one address twice",
        "Two providers, or a provider and its sidecar, have the same address. Models of one machine under two"
        " names are listed twice; an old name belongs under `formerly`.",
        "providers:\n  box: http://192.168.1.20:8080\n  old-box: http://192.168.1.20:8080",
        "providers:\n  box: {url: http://192.168.1.20:8080, formerly: [old-box]}",
    ),
    "F301": Code(
        "fleet.lock cannot be used",
        "fleet.lock is written by `fleet lock` and not by hand. Restore it from version control, or delete it"
        " and run `fleet lock`.",
    ),
    "F302": Code(
        "role model that no machine is known to list",
        "By fleet.lock no machine serves the model. It may be misspelt, or new: then run `fleet lock`.",
    ),
    "F303": Code(
        "machine gives no list",
        "The machine did not answer, refused the key, or answered something that is no list of models. What"
        " fleet.lock holds of it stays.",
    ),
    "F304": Code(
        "model id that means another machine",
        "The default provider lists an id that begins with another provider's name and '/'. By itself that id"
        " means the other provider's model; with the default provider's name before it, this one.",
    ),
    "F305": Code(
        "compaction role with a smaller context",
        "The compaction model shortens what the default model can no longer hold, so its context must be at"
        " least as large.",
    ),
    "F306": Code(
        "oddity in a machine's list",
        "Something in the machine's answer was skipped: an id that is empty, too long or cannot be part of a"
        " path, or a kind of server other than the one configured.",
    ),
    "F307": Code(
        "fleet.lock is out of date",
        "The machine serves something else than fleet.lock says. `fleet lock` brings it up to date.",
    ),
    "F308": Code(
        "glob that matches no model",
        "By fleet.lock the machine lists no model that this glob of `include` matches. It may be misspelt, or"
        " the model new: then run `fleet lock`.",
    ),
    "F309": Code(
        "provider that looks renamed",
        "The provider has the url of another one that left fleet.yaml, and took over what fleet.lock knows"
        " of that one. Without `formerly`, ids and favorites with the old name no longer resolve.",
    ),
    "F310": Code(
        "fleet.lock entry from another url",
        "The provider was moved and has not been probed at its new url yet. What fleet.lock knows of it still"
        " counts, and the next `fleet build` or `fleet lock` probes it again.",
    ),
    "F311": Code(
        "model too small for a client",
        "The client's own prompt fills the model's context, so that a session could never begin. The model is"
        " left out of this client's configuration and works everywhere else. The context is set where the"
        " model runs, with `--ctx-size`, `num_ctx` or the like.",
    ),
    "F401": Code(
        "change that cannot be made safely",
        "The place is written in a way that `fleet add`, `move`, `rename` and `remove` do not touch, such as"
        " a URL on several lines. Nothing was changed: make the change by hand, as the help line says.",
    ),
    "F402": Code(
        "provider that is still referred to",
        "A provider can be removed once no default, alias, role or surface names it. `fleet remove NAME"
        " --fix` removes those references too, except for a surface that would be left without a provider.",
    ),
}
