"""Addresses and keys. An endpoint is set up when it has a key, or, where none is needed, an address."""

from pydantic import PositiveInt

from tillhouse.kernel.settings import ModuleSettings, setting


class OpenAISettings(ModuleSettings):
    """OpenAI (https://platform.openai.com)."""

    prefix = "openai"

    api_key: str = setting("", "API key of OpenAI. Empty: it is not asked. The sandbox's is sk-tillhouse.", secret=True)
    base_url: str = setting("", "Where it answers. Empty: the sandbox where there is one, else api.openai.com.")
    chat_model: str = setting("gpt-4.1-mini", "The model that answers where AI_CHAT_MODELS names none.")
    speech_model: str = setting("whisper-1", "The model that listens.", aliases=("OPENAI_MODEL",))
    embedding_model: str = setting("text-embedding-3-small", "The model that makes vectors.")
    embedding_dimensions: PositiveInt = setting(1536, "Length of its vectors.")


class DeepSeekSettings(ModuleSettings):
    """DeepSeek (https://api-docs.deepseek.com)."""

    prefix = "deepseek"

    api_key: str = setting("", "API key of DeepSeek. Empty: it is not asked.", secret=True)
    base_url: str = setting("https://api.deepseek.com", "Where it answers.")
    chat_model: str = setting("", "The model that answers where AI_CHAT_MODELS names none, such as deepseek-v4-flash.")


class GeminiSettings(ModuleSettings):
    """Gemini by its OpenAI-compatible address."""

    prefix = "gemini"

    api_key: str = setting("", "API key of Gemini. Empty: it is not asked.", secret=True)
    base_url: str = setting("https://generativelanguage.googleapis.com/v1beta/openai", "Where it answers.")
    chat_model: str = setting("gemini-2.5-flash", "The model that answers where AI_CHAT_MODELS names none.")


class OllamaSettings(ModuleSettings):
    """Models on a machine of one's own, by Ollama."""

    prefix = "ollama"

    base_url: str = setting("", "Where it answers, such as http://127.0.0.1:11434/v1. Empty: it is not asked.")
    chat_model: str = setting("", "The model that answers where AI_CHAT_MODELS names none.")
    embedding_model: str = setting("", "The model that makes vectors.")


class VllmSettings(ModuleSettings):
    """Models on a machine of one's own, by vLLM or anything else that speaks OpenAI's format."""

    prefix = "vllm"

    api_key: str = setting("", "Its API key, if it wants one.", secret=True)
    base_url: str = setting("", "Where it answers, such as http://127.0.0.1:8001/v1. Empty: it is not asked.")
    chat_model: str = setting("", "The model that answers where AI_CHAT_MODELS names none.")
    speech_model: str = setting("", "The model that listens.")
    embedding_model: str = setting("", "The model that makes vectors.")


SETTINGS = (OpenAISettings, DeepSeekSettings, GeminiSettings, OllamaSettings, VllmSettings)
