"""A tool loop in OpenAI's Agents SDK."""

import sys

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

set_tracing_disabled(True)


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather."""
    return '{"sky": "snow"}' if city == "Oslo" else "unknown"


model = OpenAIChatCompletionsModel("current", AsyncOpenAI(base_url=sys.argv[1], api_key="none"))
agent = Agent(
    name="weather",
    model=model,
    tools=[get_weather],
    model_settings=ModelSettings(temperature=0),
)
print(Runner.run_sync(agent, "How is the weather in Oslo?").final_output)
