"""Find a text architecture by its name in the zoo."""

from typing import Any

from convscope.models.texts.architecture import TextArchitecture


def find_text_architecture(name: str, **variant: Any) -> TextArchitecture:
    """Return the text architecture ``name`` with options of its own, such as ``depth=17`` for ``vdcnn``.

    Raises:
        UserError: An option does not have this value.
        LookupError: There is no such text architecture.
    """
    match name:
        case "text_cnn":
            from convscope.models.texts.text_cnn import TextCNNArchitecture

            return TextCNNArchitecture(**variant)
        case "char_cnn":
            from convscope.models.texts.char_cnn import CharCNNArchitecture

            return CharCNNArchitecture(**variant)
        case "vdcnn":
            from convscope.models.texts.vdcnn import VDCNNArchitecture

            return VDCNNArchitecture(**variant)
        case "dilated_text_cnn":
            from convscope.models.texts.dilated_text_cnn import DilatedTextCNNArchitecture

            return DilatedTextCNNArchitecture(**variant)
        case "text_tdnn":
            from convscope.models.texts.text_tdnn import TextTDNNArchitecture

            return TextTDNNArchitecture(**variant)
    raise LookupError(f"{name}: is no text architecture")
