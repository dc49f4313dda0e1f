"""Every bound of the server that is not a load parameter, with its unit and reason."""

from typing import Final

# HTTP
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""Largest request body. A million-token conversation is about 5 MB."""

KEEP_ALIVE_COMMENT_S: Final = 15.0
"""Quiet time after which a stream sends an SSE comment: proxies give up after 30 to 60 s."""

MAX_JSON_DEPTH: Final = 64
"""Deepest nesting of a JSON body."""

HEAD_S: Final = 30.0
"""How long the head of a request may take to come."""

IDLE_S: Final = 75.0
"""How long a connection may be kept between two requests. Proxies keep theirs for 60 s."""

BODY_S: Final = 20.0
"""How long each part of a body may take to come."""

BODY_PART_BYTES: Final = 64 * 1024
"""Such a part: a body comes at 3 KiB a second at least."""

LINGER_S: Final = 5.0
"""How long the rest of a body that was refused is read, so that its sender sees the answer."""

STALL_S: Final = 30.0
"""How long a reader may take nothing of an answer before the request is cancelled."""

SEND_BUFFER_BYTES: Final = 256 * 1024
"""What the system may hold for a client that does not read."""

# gRPC
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Largest message received. Twice the HTTP body: JSON may grow in translation."""

# Chat
MAX_MESSAGES: Final = 16_384
"""Most messages of one conversation."""

MAX_STOPS: Final = 4
"""Most stop texts of a request, as OpenAI has it."""

MAX_STOP_CHARS: Final = 4_096
"""Longest stop text: the answer's end is held back by as much."""

MAX_USER_CHARS: Final = 256
"""Longest name for an end user."""

MAX_BIASES: Final = 1_024
MAX_BIAS: Final = 100.0
"""Most tokens whose logits a request may change, and by how much at most, as OpenAI has it."""

MAX_TOOLS: Final = 128
"""Most tools of a request, as OpenAI has it."""

MAX_SCHEMA_CHARS: Final = 256 * 1024
"""Longest JSON schema of a tool or a format. What it costs has a bound of its own."""

MAX_REGEX_CHARS: Final = 16 * 1024
MAX_GRAMMAR_CHARS: Final = 64 * 1024
"""Longest regular expression and longest grammar that an answer may be held to."""

MAX_METADATA: Final = 16
MAX_METADATA_NAME_CHARS: Final = 64
MAX_METADATA_TEXT_CHARS: Final = 512
"""How much a request may carry of its caller's own notes, as OpenAI has it."""

MAX_COMPILED_CHARS: Final = 512 * 1024
"""Longest grammar that is made of what a request asks for, all its tools together."""

MAX_COMPILED_GRAMMARS: Final = 8
"""Grammars that a model keeps compiled for requests that ask for the same."""

MAX_COMPILING: Final = 2
"""Grammars that are prepared at the same time; each takes a core."""

MAX_PROMPTS: Final = 128
"""Most prompts of one request for completions."""

MAX_MODEL_NAME_CHARS: Final = 4_096
"""Longest model name in a request: a path may be one."""

MAX_MODEL_ID_CHARS: Final = 96
"""Longest alias of a model, as long as a Hugging Face id may be."""

MAX_ADAPTERS: Final = 8
MAX_ADAPTER_SCALE: Final = 10
"""Most LoRA adapters of a model, and the largest factor of one, either way."""

MAX_TEMPLATE_BYTES: Final = 1024 * 1024
"""Largest chat template file."""

TEMPLATE_TRIAL_S: Final = 10.0
"""How long a chat template may take for some short conversations before it is loaded."""

TEMPLATE_TRIAL_BYTES: Final = 2 * 1024 * 1024 * 1024
"""Address space that it may take then, the interpreter's included."""

MAX_TEMPLATE_STEPS: Final = 4_000_000
"""Turns of loops and calls that a chat template may take for one conversation. Those that look
through the rest of the conversation at every message take a million for 1,400 messages."""

MAX_RENDERED_CHARS: Final = 16 * 1024 * 1024
"""Longest text that a chat template may make of a conversation, some four million tokens."""

MAX_UNREAD_CHARS: Final = 64 * 1024
"""Text that may wait for a stream's reader before the request is cancelled."""

# Process
DRAIN_S: Final = 30.0
"""How long running requests may go on when their model is replaced."""

SHUTDOWN_DRAIN_S: Final = 20.0
"""How long running requests may go on when the server ends."""

BEAT_S: Final = 1.0
"""How often core and gateway tell their supervisor that they are alive."""

HANG_LIMIT_S: Final = 30
"""Silence after which the supervisor takes a process for hung, kills it and starts it again."""

START_LIMIT_S: Final = 180.0
"""How long a process may take until it listens: imports on a slow, cold disk."""

FIRST_RESTART_S: Final = 0.1
"""Wait before a process that died is started again; doubled with every death in a row."""

MAX_RESTART_S: Final = 5.0
"""Longest wait before a process is started again."""

STEADY_S: Final = 60.0
"""Life after which a process, or a model in it, has shown that it can be served."""

MAX_FAILED_STARTS: Final = 10
"""Starts in a row that may end before the process listens; then the whole server ends."""

MAX_DEATHS_OF_MODEL: Final = 3
"""Deaths of the core in a row that one model may take part in before it is left out."""

HEALTH_ANSWER_S: Final = 5.0
"""How long the gateway waits for the core's health before it tells that there is none."""

MAX_DOWNLOADS: Final = 4
"""Downloads that run at the same time; more wait for one of them to end."""

MAX_DOWNLOADS_LISTED: Final = 100
"""Downloads that may run and wait together."""

DOWNLOAD_END_S: Final = 2.0
"""How long the server waits at its end for downloads to let go of their files."""

MAX_PATTERNS: Final = 100
MAX_PATTERN_CHARS: Final = 256
"""How many patterns a download may be narrowed by, and how long each may be."""

# Hub
HUB_CONNECT_S: Final = 5.0
"""How long a connection to the hub may take to be made."""

HUB_ANSWER_S: Final = 15.0
"""How long the hub may take to tell what a repository holds; a large one takes seconds."""

HUB_SILENCE_S: Final = 15.0
"""How long the transfer of a file may bring nothing before it is begun again from there."""

HUB_TRIES: Final = 4
"""How often the hub is asked for the same thing before its fault is told."""

HUB_FIRST_WAIT_S: Final = 0.5
"""Wait before the hub is asked again; doubled every time."""

MAX_HUB_WAIT_S: Final = 10.0
"""Longest wait that the hub may ask for; a longer one is told to the caller at once."""

MAX_REPOSITORY_FILES: Final = 20_000
"""Most files of a repository. The largest of models have a few hundred."""

MAX_INDEX_BYTES: Final = 64 * 1024 * 1024
"""Largest index of weights; that of a model of a million million weights has a few million."""

FILES_AT_ONCE: Final = 3
"""Files of one model that are fetched at the same time: one connection is often slow."""

MODELS_VERIFIED_AT_ONCE: Final = 8
"""Models that the hub is asked for at the same time, when all are compared with it."""

PROGRESS_S: Final = 0.1
"""How often the progress of a download is told at most."""

DISK_RESERVE_BYTES: Final = 64 * 1024 * 1024
"""What a download leaves free on the disk."""

LOCK_SILENCE_S: Final = 60.0
"""How long another process may hold a file of the cache while nothing of it comes."""

ORPHAN_S: Final = 24 * 3600.0
"""Age at which an unfinished file that nobody holds is removed."""
