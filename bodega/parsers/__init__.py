"""Model output to messages: thinking, text and tool calls, told apart as the text grows."""
