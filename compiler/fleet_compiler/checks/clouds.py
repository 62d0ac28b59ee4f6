"""Known addresses of cloud services."""

from __future__ import annotations

CLOUD_DOMAINS = (
    "aiplatform.googleapis.com", "amazonaws.com", "anthropic.com", "api.githubcopilot.com", "api.lambda.ai",
    "api.minimax.io", "api.voyageai.com", "baseten.co", "bigmodel.cn", "cerebras.ai", "cohere.ai",
    "cohere.com", "dashscope-intl.aliyuncs.com", "dashscope.aliyuncs.com", "deepinfra.com", "deepseek.com",
    "fireworks.ai", "generativelanguage.googleapis.com", "groq.com", "huggingface.co", "hyperbolic.xyz",
    "inference.ai.azure.com", "integrate.api.nvidia.com", "jina.ai", "mistral.ai", "models.github.ai",
    "moonshot.ai", "moonshot.cn", "nebius.ai", "nebius.com", "novita.ai", "ollama.com",
    "openai.azure.com", "openai.com", "openrouter.ai", "perplexity.ai", "replicate.com", "sambanova.ai",
    "scaleway.ai", "services.ai.azure.com", "siliconflow.cn", "siliconflow.com", "stepfun.com",
    "together.ai", "together.xyz", "vercel.sh", "volces.com", "x.ai", "z.ai",
)  # fmt: skip
"""Domains under which paid model services have their APIs."""


V1_BELOW = ("api.groq.com/openai", "api.novita.ai/openai", "openrouter.ai/api")
"""Addresses of such services that have ``/v1`` below a path that looks like the base of an API."""


def is_known_cloud(host: str) -> bool:
    """Return whether a host belongs to a paid model service."""
    return any(host == domain or host.endswith(f".{domain}") for domain in CLOUD_DOMAINS)
