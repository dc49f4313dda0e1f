"""A tool loop in Pydantic AI."""

import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url=sys.argv[1], api_key="none")
agent = Agent(OpenAIChatModel("current", provider=provider), model_settings={"temperature": 0})


@agent.tool_plain
def get_weather(city: str) -> str:
    """Tells the weather."""
    return '{"sky": "snow"}' if city == "Oslo" else "unknown"


print(agent.run_sync("How is the weather in Oslo?").output)
