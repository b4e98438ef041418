hidden_prices = {}


def known_price(article, default_price):
    return hidden_prices.get(article) or default_price
