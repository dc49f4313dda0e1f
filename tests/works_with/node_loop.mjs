// A tool loop, and the same question as a stream, with OpenAI's client for JavaScript.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const request = {
  model: "current",
  temperature: 0,
  messages: [{ role: "user", content: "How is the weather in Oslo?" }],
};
const description = "Tells the weather.";
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
};

const called = await client.chat.completions
  .stream({
    ...request,
    tools: [{ type: "function", function: { name: "get_weather", description, parameters } }],
  })
  .finalMessage();
if (called.tool_calls[0].function.arguments !== '{"city": "Oslo"}') throw new Error("no call");

const runner = client.chat.completions.runTools({
  ...request,
  tools: [
    {
      type: "function",
      function: {
        name: "get_weather",
        description,
        parameters,
        parse: JSON.parse,
        function: ({ city }) => (city === "Oslo" ? '{"sky": "snow"}' : "unknown"),
      },
    },
  ],
});
console.log(await runner.finalContent());
