"""The examples of the API's description, letter by letter, and the answers it shows for them."""

CURL_QUICK_START = r"""
# Load a language model
curl -X POST http://localhost:44468/v1/admin/load-model \
  -H "Content-Type: application/json" \
  -d '{
    "model_path": "SRSWTI/bodega-raptor-8b-mxfp4",
    "model_type": "lm",
    "context_length": 32768
  }'

# Make your first inference request
curl -X POST http://localhost:44468/v1/chat/completions \
  -H "Content-Type: application/json" \
  -d '{
    "model": "current",
    "messages": [
      {"role": "user", "content": "Hello, how are you?"}
    ]
  }'
"""

PYTHON_QUICK_START = """
import requests

BASE_URL = "http://localhost:44468"

# Load a model
response = requests.post(
    f"{BASE_URL}/v1/admin/load-model",
    json={
        "model_path": "SRSWTI/bodega-raptor-8b-mxfp4",
        "model_type": "lm",
        "context_length": 32768
    }
)
print(response.json())

# Chat completion
response = requests.post(
    f"{BASE_URL}/v1/chat/completions",
    json={
        "model": "current",
        "messages": [
            {"role": "user", "content": "Explain quantum computing in simple terms."}
        ],
        "max_tokens": 500,
        "temperature": 0.7
    }
)
print(response.json()["choices"][0]["message"]["content"])
"""

CURL_CHAT = r"""
curl -X POST http://localhost:44468/v1/chat/completions \
  -H "Content-Type: application/json" \
  -d '{
    "model": "current",
    "messages": [
      {"role": "system", "content": "You are a helpful assistant."},
      {"role": "user", "content": "What is machine learning?"}
    ],
    "max_tokens": 1000,
    "temperature": 0.7
  }'
"""

PYTHON_CHAT = """
import requests

response = requests.post(
    "http://localhost:44468/v1/chat/completions",
    json={
        "model": "current",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "What is machine learning?"}
        ],
        "max_tokens": 1000,
        "temperature": 0.7
    }
)

result = response.json()
print(result["choices"][0]["message"]["content"])
"""

CURL_STREAM = r"""
curl -X POST http://localhost:44468/v1/chat/completions \
  -H "Content-Type: application/json" \
  -d '{
    "model": "current",
    "messages": [
      {"role": "user", "content": "Write a short story about AI."}
    ],
    "stream": true
  }'
"""

PYTHON_STREAM = """
import requests
import json

response = requests.post(
    "http://localhost:44468/v1/chat/completions",
    json={
        "model": "current",
        "messages": [
            {"role": "user", "content": "Write a short story about AI."}
        ],
        "stream": True
    },
    stream=True
)

for line in response.iter_lines():
    if line:
        line = line.decode('utf-8')
        if line.startswith('data: '):
            data = line[6:]
            if data != '[DONE]':
                chunk = json.loads(data)
                content = chunk["choices"][0]["delta"].get("content", "")
                if content:
                    print(content, end="", flush=True)
"""

CHAT_ANSWER = """
{
  "id": "chatcmpl_1234567890",
  "object": "chat.completion",
  "created": 1677652288,
  "model": "current",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": "Machine learning is a subset of artificial intelligence..."
      },
      "finish_reason": "stop"
    }
  ],
  "usage": {
    "prompt_tokens": 15,
    "completion_tokens": 120,
    "total_tokens": 135
  }
}
"""

CURL_LOAD = r"""
curl -X POST http://localhost:44468/v1/admin/load-model \
  -H "Content-Type: application/json" \
  -d '{
    "model_path": "SRSWTI/bodega-raptor-8b-mxfp4",
    "model_type": "lm",
    "context_length": 32768,
    "max_concurrency": 1
  }'
"""

CURL_LOAD_TEMPLATE = r"""
curl -X POST http://localhost:44468/v1/admin/load-model \
  -H "Content-Type: application/json" \
  -d '{
    "model_path": "SRSWTI/bodega-raptor-90m",
    "model_type": "lm",
    "chat_template_file": "/path/to/custom_template.jinja"
  }'
"""

CURL_LOAD_CONTEXT = r"""
curl -X POST http://localhost:44468/v1/admin/load-model \
  -H "Content-Type: application/json" \
  -d '{
    "model_path": "SRSWTI/bodega-raptor-90m",
    "model_type": "lm",
    "context_length": 8192
  }'
"""

CURL_UNLOAD = """
curl -X POST http://localhost:44468/v1/admin/unload-model
"""

PYTHON_UNLOAD = """
response = requests.post("http://localhost:44468/v1/admin/unload-model")
print(response.json())
"""

CURL_CURRENT = """
curl http://localhost:44468/v1/admin/current-model
"""

PYTHON_CURRENT = """
response = requests.get("http://localhost:44468/v1/admin/current-model")
model_info = response.json()

if model_info["loaded"]:
    print(f"Model: {model_info['model_info']['model_path']}")
    print(f"Type: {model_info['model_info']['model_type']}")
else:
    print("No model currently loaded")
"""

CURRENT_ANSWER = """
{
  "loaded": true,
  "model_info": {
    "model_path": "SRSWTI/bodega-raptor-8b-mxfp4",
    "model_type": "lm",
    "context_length": 32768,
    "max_concurrency": 1
  }
}
"""

CURL_MODELS = """
curl http://localhost:44468/v1/models
"""

PYTHON_MODELS = """
response = requests.get("http://localhost:44468/v1/models")
models = response.json()["data"]

for model in models:
    print(f"ID: {model['id']}")
    print(f"  Created: {model['created']}")
    print(f"  Size: {model['size_gb']:.2f} GB")
    print(f"  Download: {model['download_percentage']:.1f}%")
    print()
"""

MODELS_ANSWER = """
{
  "object": "list",
  "data": [
    {
      "id": "SRSWTI/bodega-raptor-8b-mxfp4",
      "object": "model",
      "created": 1704067200,
      "owned_by": "SRSWTI",
      "size_gb": 4.8,
      "download_percentage": 100.0,
      "is_complete": true
    }
  ]
}
"""

PYTHON_RAW_OUTPUT = """
response = requests.post(
    "http://localhost:44468/v1/chat/completions",
    json={
        "model": "current",
        "messages": [
            {"role": "user", "content": "Search for AI news"}
        ]
    }
)

# Parse the raw response yourself
raw_content = response.json()["choices"][0]["message"]["content"]
# Your custom parsing logic here
"""

PYTHON_THINKING = """
response = requests.post(
    "http://localhost:44468/v1/chat/completions",
    json={
        "model": "current",
        "messages": [
            {"role": "user", "content": "Solve this logic puzzle: ..."}
        ],
        "chat_template_kwargs": {
            "enable_thinking": True
        }
    }
)

result = response.json()
message = result["choices"][0]["message"]

# Reasoning content (thinking process)
if "reasoning_content" in message:
    print("Thinking:", message["reasoning_content"])

# Final answer
print("Answer:", message["content"])
"""

CURL_HEALTH = """
curl http://localhost:44468/health
"""

HEALTHY_ANSWER = """
{
  "status": "ok",
  "model_id": "SRSWTI/bodega-raptor-90m",
  "model_status": "initialized"
}
"""

NO_MODEL_ANSWER = """
{
  "status": "unhealthy",
  "model_id": null,
  "model_status": "uninitialized"
}
"""

CURL_STATS = """
curl http://localhost:44468/v1/queue/stats
"""

PYTHON_STATS = """
response = requests.get("http://localhost:44468/v1/queue/stats")
stats = response.json()["queue_stats"]

print(f"Queue size: {stats.get('queue_size', 0)}")
print(f"Active requests: {stats.get('active_requests', 0)}")
"""

PYTHON_ERRORS = """
response = requests.post(
    "http://localhost:44468/v1/chat/completions",
    json={...}
)

if response.status_code == 503:
    print("No model loaded. Load a model first.")
elif response.status_code == 400:
    print("Invalid request parameters.")
elif response.status_code == 200:
    result = response.json()
    # Process result
else:
    print(f"Error: {response.status_code}")
"""

CURL_DOWNLOAD = r"""
curl -X POST http://localhost:44468/v1/admin/download-model \
  -H "Content-Type: application/json" \
  -d '{
    "model_path": "SRSWTI/bodega-raptor-8b-mxfp4"
  }'
"""

PYTHON_DOWNLOAD = """
# Download by model path
response = requests.post(
    "http://localhost:44468/v1/admin/download-model",
    json={"model_path": "SRSWTI/bodega-raptor-8b-mxfp4"}
)
print(response.json())
"""

CURL_DOWNLOAD_STREAM = r"""
curl -X POST http://localhost:44468/v1/admin/download-model-stream \
  -H "Content-Type: application/json" \
  -d '{
    "model_path": "SRSWTI/bodega-raptor-8b-mxfp4"
  }'
"""

PYTHON_DOWNLOAD_STREAM = """
import requests
import json

response = requests.post(
    "http://localhost:44468/v1/admin/download-model-stream",
    json={"model_path": "SRSWTI/bodega-raptor-8b-mxfp4"},
    stream=True
)

for line in response.iter_lines():
    if line:
        line = line.decode('utf-8')
        if line.startswith('data: '):
            data = line[6:]
            if data != '[DONE]':
                progress = json.loads(data)
                print(f"Status: {progress['status']}")
                print(f"Progress: {progress.get('progress', 0)}%")
                if 'current_file' in progress:
                    print(f"File: {progress['current_file']}")
                print()
"""

PROGRESS_EVENT = """
{
  "status": "downloading",
  "progress": 45.5,
  "current_file": "model.safetensors",
  "file_progress": 67.3,
  "downloaded_files": 3,
  "total_files": 8,
  "message": "Downloading model files..."
}
"""

CURL_VERIFY = """
curl "http://localhost:44468/v1/models?verify_with_hub=true"
"""

CURL_DELETE = """
curl -X DELETE "http://localhost:44468/v1/models/SRSWTI/bodega-raptor-8b-mxfp4"
"""

PYTHON_DELETE = """
model_id = "SRSWTI/bodega-raptor-8b-mxfp4"
response = requests.delete(f"http://localhost:44468/v1/models/{model_id}")
print(response.json())
"""

DELETE_ANSWER = """
{
  "id": "SRSWTI/bodega-raptor-8b-mxfp4",
  "object": "model",
  "deleted": true
}
"""

CURL_LOAD_WITH_PARSERS = r"""
# Load model with parser
curl -X POST http://localhost:44468/v1/admin/load-model \
  -H "Content-Type: application/json" \
  -d '{
    "model_path": "SRSWTI/axe-turbo-31b",
    "model_type": "lm",
    "tool_call_parser": "qwen3",
    "reasoning_parser": "qwen3"
  }'
"""

PYTHON_TOOLS = """
import requests
import json

# Get available tools
tools_response = requests.get("http://localhost:44468/v1/tools")
tools = tools_response.json()["data"]

# Chat with tools
response = requests.post(
    "http://localhost:44468/v1/chat/completions",
    json={
        "model": "current",
        "messages": [
            {"role": "user", "content": "What's the latest news about AI?"}
        ],
        "tools": tools,
        "tool_choice": "auto"
    }
)

result = response.json()
choice = result["choices"][0]

# Check if model wants to call a tool
if choice.get("finish_reason") == "tool_calls":
    for tool_call in choice["message"]["tool_calls"]:
        tool_name = tool_call["function"]["name"]
        arguments = json.loads(tool_call["function"]["arguments"])

        # Execute the tool
        tool_result = requests.post(
            "http://localhost:44468/v1/tools/execute",
            json={
                "tool_name": tool_name,
                "arguments": arguments
            }
        ).json()

        print(f"Tool {tool_name} result: {tool_result['result']}")

        # Send result back to model
        response = requests.post(
            "http://localhost:44468/v1/chat/completions",
            json={
                "model": "current",
                "messages": [
                    {"role": "user", "content": "What's the latest news about AI?"},
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [tool_call]
                    },
                    {
                        "role": "tool",
                        "tool_call_id": tool_call["id"],
                        "content": json.dumps(tool_result["result"])
                    }
                ]
            }
        )

        final_response = response.json()
        print(final_response["choices"][0]["message"]["content"])
"""

PYTHON_JSON_MODE = """
response = requests.post(
    "http://localhost:44468/v1/chat/completions",
    json={
        "model": "current",
        "messages": [
            {
                "role": "system",
                "content": "You are a helpful assistant that outputs JSON."
            },
            {
                "role": "user",
                "content": "List three colors with their hex codes."
            }
        ],
        "response_format": {"type": "json_object"}
    }
)

import json
result = json.loads(response.json()["choices"][0]["message"]["content"])
print(result)
"""
