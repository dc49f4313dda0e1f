"""A tool loop in LlamaIndex."""

import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike


def get_weather(city: str) -> str:
    """Tells the weather."""
    return '{"sky": "snow"}' if city == "Oslo" else "unknown"


tool = FunctionTool.from_defaults(get_weather, description="Tells the weather.")
model = OpenAILike(
    model="current",
    api_base=sys.argv[1],
    api_key="none",
    is_chat_model=True,
    is_function_calling_model=True,
    temperature=0,
)
messages = [ChatMessage(role="user", content="How is the weather in Oslo?")]
while len(messages) < 8:
    answer = model.chat_with_tools([tool], chat_history=messages)
    messages.append(answer.message)
    calls = model.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
    if not calls:
        break
    for call in calls:
        told = str(tool(**call.tool_kwargs))
        names = {"tool_call_id": call.tool_id}
        messages.append(ChatMessage(role="tool", content=told, additional_kwargs=names))
print(messages[-1].content)
