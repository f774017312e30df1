"""Address and key of Anthropic."""

from tillhouse.kernel.settings import ModuleSettings, setting


class AnthropicSettings(ModuleSettings):
    """Anthropic's Messages API (https://docs.anthropic.com)."""

    prefix = "anthropic"

    api_key: str = setting(
        "", "API key of Anthropic. Empty: it is not asked. The sandbox's is sk-ant-tillhouse.", secret=True
    )
    base_url: str = setting("", "Where it answers. Empty: the sandbox where there is one, else api.anthropic.com.")
    chat_model: str = setting("claude-sonnet-4-0", "The model that answers where AI_CHAT_MODELS names none.")


SETTINGS = (AnthropicSettings,)
