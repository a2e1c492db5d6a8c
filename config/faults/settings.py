"""The settings of the campaign's processes: the product's own, and the levers of `config.faults.levers`."""

from config import settings as product

globals().update({name: value for name, value in vars(product).items() if name.isupper()})
INSTALLED_APPS = [*product.INSTALLED_APPS, "config.faults.levers.LeversConfig"]
