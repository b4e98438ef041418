"""Stock keeping for a small shop: items, deliveries, and a report of what is running out."""

from dataclasses import dataclass, field


@dataclass
class Item:
    sku: str
    name: str
    quantity: int = 0
    price_cents: int = 0
    reorder_below: int = 5

    def to_row(self) -> dict[str, str]:
        return {
            "sku": self.sku,
            "name": self.name,
            "quantity": str(self.quantity),
            "price_cents": str(self.price_cents),
            "reorder_below": str(self.reorder_below),
        }

    @classmethod
    def from_row(cls, row: dict[str, str]) -> "Item":
        return cls(
            sku=row["sku"],
            name=row["name"],
            quantity=int(row["quantity"]),
            # <cursor>
        )


@dataclass
class Inventory:
    items: dict[str, Item] = field(default_factory=dict)

    def receive(self, item: Item) -> None:
        known = self.items.get(item.sku)
        if known is None:
            self.items[item.sku] = item
        else:
            known.quantity += item.quantity

    def running_out(self) -> list[Item]:
        low = [item for item in self.items.values() if item.quantity < item.reorder_below]
        return sorted(low, key=lambda item: item.quantity)

    def value_cents(self) -> int:
        return sum(item.quantity * item.price_cents for item in self.items.values())
