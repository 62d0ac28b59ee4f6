"""Uses one SDK for Python against a surface and a provider, and prints what it saw as JSON.

Runs in an environment that has the SDKs and nothing of ours: ``python python_sdks.py NAME URL MACHINE DEAD``.
`DEAD` is the id of a model whose provider is off.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

HI = "hi"
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def failure(call: Callable[[], object]) -> dict[str, Any]:
    """How a call to a provider that is off failed."""
    began = time.monotonic()
    try:
        call()
    except Exception as error:
        return {"told": "cannot be reached" in str(error), "soon": time.monotonic() - began < 10}
    return {"told": False}


def litellm(url: str, model: str, embedding: str, dead: str) -> dict[str, Any]:
    import litellm as sdk

    sdk.telemetry = False
    known = {"api_base": f"{url}/v1", "api_key": "any"}
    messages = [{"role": "user", "content": HI}]
    whole = sdk.completion(model=f"openai/{model}", messages=messages, **known)
    stream = sdk.completion(model=f"openai/{model}", messages=messages, stream=True, **known)
    called = sdk.completion(
        model=f"openai/{model}", messages=messages, tools=[TOOL], tool_choice="required", **known
    )
    anthropic = sdk.completion(model=f"anthropic/{model}", messages=messages, api_base=url, api_key="any")
    vectors = sdk.embedding(model=f"openai/{embedding}", input=["a", "b"], **known)
    off = {"model": f"openai/{dead}", "messages": messages, "num_retries": 0, **known}
    return {
        "chat": whole.choices[0].message.content,
        "stream": "".join(part.choices[0].delta.content or "" for part in stream),
        "tool": json.loads(called.choices[0].message.tool_calls[0].function.arguments),
        "anthropic": anthropic.choices[0].message.content,
        "vectors": len(vectors.data),
        "dead": failure(lambda: sdk.completion(**off)),
    }


def langchain(url: str, model: str, embedding: str, dead: str) -> dict[str, Any]:
    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    def chat(name: str) -> Any:
        return ChatOpenAI(model=name, base_url=f"{url}/v1", api_key="any")

    called = chat(model).bind_tools([TOOL], tool_choice="any").invoke(HI)
    vectors = OpenAIEmbeddings(
        model=embedding, base_url=f"{url}/v1", api_key="any", check_embedding_ctx_length=False
    )
    anthropic = ChatAnthropic(model=model, base_url=url, api_key="any")
    return {
        "chat": chat(model).invoke(HI).content,
        "stream": "".join(part.content for part in chat(model).stream(HI)),
        "tool": called.tool_calls[0]["args"],
        "anthropic": anthropic.invoke(HI).content,
        "vectors": len(vectors.embed_documents(["a", "b"])),
        "dead": failure(lambda: chat(dead).invoke(HI)),
    }


def llama_index(url: str, model: str, embedding: str, dead: str) -> dict[str, Any]:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    def chat(name: str) -> Any:
        return OpenAILike(
            model=name,
            api_base=f"{url}/v1",
            api_key="any",
            is_chat_model=True,
            context_window=32768,
            max_retries=0,
        )

    messages = [ChatMessage(role="user", content=HI)]
    return {
        "chat": chat(model).chat(messages).message.content,
        "stream": "".join(part.delta or "" for part in chat(model).stream_chat(messages)),
        "dead": failure(lambda: chat(dead).chat(messages)),
    }


def pydantic_ai(url: str, model: str, embedding: str, dead: str) -> dict[str, Any]:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="any")

    def agent(name: str) -> Any:
        return Agent(OpenAIChatModel(name, provider=provider))

    return {
        "chat": agent(model).run_sync(HI).output,
        "dead": failure(lambda: agent(dead).run_sync(HI)),
    }


SDKS = {"litellm": litellm, "langchain": langchain, "llama-index": llama_index, "pydantic-ai": pydantic_ai}

if __name__ == "__main__":
    name, address, machine, off = sys.argv[1:]
    seen = SDKS[name](address, f"{machine}/qwen3-8b", f"{machine}/nomic-embed", off)
    print(json.dumps(seen))
