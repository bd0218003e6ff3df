"""The networks of the zoo in the order of their papers, with published facts; imports no library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """Where a network of the zoo comes from.

    Attributes:
        model: Name in the zoo; the other attributes hold for the options that ``conf/model`` gives it.
        year: Year of the first publication; None if there is none.
        authors: Authors of the paper.
        classes: Number of classes that it was published for.
        channels: Number of channels of its images.
        variant: Name of this variant if the network has several.
        top1: Accuracy on ImageNet's validation images in percent, if it was published.
        top1_source: Source of ``top1``: a table of the paper, or else who measured it. Papers differ in how many crops
            they average.
        texts: Whether it reads texts; ``channels`` means nothing then.
    """

    model: str
    year: int | None
    authors: str
    classes: int = 1000
    channels: int = 3
    variant: str = ""
    top1: float | None = None
    top1_source: str = ""
    texts: bool = False


PAPERS = (
    Paper("neocognitron", 1980, "Fukushima", classes=10, channels=1),
    Paper("tdnn", 1989, "Waibel et al.", classes=3, channels=1),
    Paper("lecun1989", 1989, "LeCun et al.", classes=10, channels=1),
    Paper("lenet5", 1998, "LeCun et al.", classes=10, channels=1),
    Paper("alexnet", 2012, "Krizhevsky et al.", top1=59.3, top1_source="table 2, 1 CNN (the original)"),
    Paper("zfnet", 2013, "Zeiler & Fergus", top1=61.6, top1_source="table 2, 1 convnet"),
    Paper("text_cnn", 2014, "Kim", classes=2, texts=True),
    Paper("vgg", 2014, "Simonyan & Zisserman", variant="16", top1=74.4, top1_source="table 3, D"),
    Paper("googlenet", 2014, "Szegedy et al.", top1=69.8, top1_source="torchvision's weights"),
    Paper("char_cnn", 2015, "Zhang et al.", classes=4, variant="small", texts=True),
    Paper("dilated_cnn", 2015, "Yu & Koltun", variant="context"),
    Paper("resnet", 2015, "He et al.", variant="18", top1=72.1, top1_source="table 2, 10 crops"),
    Paper("wide_resnet", 2016, "Zagoruyko & Komodakis", variant="50-2", top1=78.1, top1_source="table 8"),
    Paper("inception_resnet_v1", 2016, "Szegedy et al.", top1=78.7, top1_source="table 2"),
    Paper("inception_resnet_v2", 2016, "Szegedy et al.", top1=80.1, top1_source="table 2"),
    Paper("densenet", 2016, "Huang et al.", variant="121", top1=75.0, top1_source="table 3"),
    Paper("xception", 2016, "Chollet", top1=79.0, top1_source="table 1"),
    Paper("resnext", 2016, "Xie et al.", variant="50 32×4d", top1=77.8, top1_source="table 3"),
    Paper("vdcnn", 2016, "Conneau et al.", classes=4, variant="9", texts=True),
    Paper("dilated_text_cnn", 2017, "Strubell et al.", classes=2, texts=True),
    Paper("mobilenet", 2017, "Howard et al.", top1=70.6, top1_source="table 8"),
    Paper("shufflenet_v1", 2017, "Zhang et al.", variant="1×, 3 groups", top1=67.4, top1_source="table 2"),
    Paper("senet", 2017, "Hu et al.", variant="SE-ResNet-50", top1=76.7, top1_source="table 2"),
    Paper("mobilenet_v2", 2018, "Sandler et al.", top1=72.0, top1_source="table 4"),
    Paper("shufflenet_v2", 2018, "Ma et al.", variant="1×", top1=69.4, top1_source="table 8"),
    Paper("efficientnet_lite", 2020, "Tan & Le; Liu", variant="0", top1=75.1, top1_source="Liu 2020"),
    Paper("lecture_cnn", None, "", classes=4),
)
