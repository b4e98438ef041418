"""Texts on which tokenizers are compared: code of many languages, and everything Unicode does to a regular expression."""

import random

CODE = [
    "def area(radius: float) -> float:\n    return 3.14159 * radius ** 2\n\n\nclass A(B):\n    pass\n",
    "for (let i = 0; i < items.length; i++) {\r\n\tconsole.log(`item ${i}: ${items[i]}`);\r\n}\r\n",
    "func main() {\n\tfmt.Println(\"hello, world\")\n\tif err != nil {\n\t\treturn err\n\t}\n}\n",
    "fn add<'a>(x: &'a str, y: u64) -> Result<String, Box<dyn Error>> { Ok(format!(\"{x}{y:?}\")) }",
    "public static void main(String[] args) throws IOException {\n        int x = 0xFF_FFL;\n}",
    "#include <stdio.h>\n#define MAX(a, b) ((a) > (b) ? (a) : (b))\nint main(void) { return 0; }",
    "SELECT id, COUNT(*) AS n FROM users WHERE name LIKE '%o''brien%' GROUP BY 1 HAVING n >= 10;",
    "<!DOCTYPE html>\n<div class=\"a b-c\" data-x='1'>&nbsp;&amp;</div><!-- comment -->",
    "{\"a\": [1, 2.5, -3e10, null, true], \"b\": {\"c\": \"\\u00e9\\n\"}}",
    "const re=/^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+)$/gi;!function(e,t){return e??t?.x}(1,2);",
    "\\documentclass{article}\n\\begin{equation} \\frac{a}{b} = \\sum_{i=0}^{n} x_i^2 \\end{equation}",
    "if [ -z \"$HOME\" ]; then\n  echo \"${PATH:-none}\" | sed -e 's/:/\\n/g' >&2\nfi",
    "    it's we'll they've I'm you'd she'S HE'LL can'T 'tis 'ſ",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case x1y2z3 __init__ $jquery @decorator #!/bin/sh",
]

WHITE_SPACE = [
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    " " * 200 + "deeply_indented()",
    "\t" * 17 + "x = 1",
    "a" + " " * 9 + "b" + " " * 40 + "\n" + " " * 8 + "\n\n\n" + " " * 3,
    "line one\r\nline two\r\n\r\n\r\n  line three\r\n",
    "old mac\rline\r\rend",
    "mixed \t \t tabs\t  and\n\t \n \t\nspaces   ",
    "trailing   \n   leading",
    "no-break\u00a0space\u00a0\u00a0two thin\u2009space ideographic\u3000space next\u0085line sep\u2028ara\u2029tor",
    "\ufeffbyte order mark at the start and \ufeff inside",
    "zero\u200bwidth\u200c\u200djoin\u2060er",
    "form\ffeed vertical\vtab nul\x00 bell\x07 escape\x1b[0m delete\x7f",
]

SCRIPTS = [
    "日本語のテキストです。変数名 = 値；注释：这是一个测试，好吗？",
    "한국어 텍스트와 \u1112\u1161\u11ab\u1100\u1173\u11af decomposed",
    "Ελληνικά, русский текст, עברית, العربية ١٢٣, हिन्दी में पाठ, ภาษาไทย, ქართული, አማርኛ",
    "cafe\u0301 nai\u0308ve A\u030a Å \u212b ﬁ ﬀ ǆ ß ẞ İ ı",
    "Z\u0351\u036b\u0343a\u0329\u0348l\u031bg\u0323\u0327o\u0334\u0308\u0320 \u0301alone q\u0307\u0323 q\u0323\u0307",
    "😀 👩‍👩‍👧‍👦 👍🏽 🇯🇵🇫🇷 ❤️ ✅🚀 #️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "𝒜𝓫𝔠 𝟘𝟙𝟚 𐐷 𠜎𠜱 \U000e0001 \ue000 \U0010ffff",
    "½ ² ³ ¹ ₀ Ⅷ ⅷ ① ⑳ ٣ ७ ４２ 〇 一二三 1234567890 3.14 0b1010 1_000",
    "– — ‘quoted’ “double” … • § ¶ † € £ ¥ ¢ © ® ™ ° ± × ÷ ≠ ≤ ∞ √ ∑ → ⇒ ░▒▓█ ┌─┐",
    "؟ ، । ॥ 。 、 「」 ￥ ！ ～ \u2018\u201f\u3000\u3002",
]

MARKS = [
    "<|endoftext|>",
    "print('<|im_end|>') # <|im_start|>user",
    "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>c <|fim_pad|><|repo_name|><|file_sep|>",
    "<repo_name><file_sep><gh_stars><jupyter_code> <empty_output> </s> <s> [PAD151700] <unk>",
    "tool: <tool_call>{\"name\": \"f\"}</tool_call> done",
]

LONG = [
    "a" * 300,
    "ab" * 150 + "=" * 100 + "-" * 77,
    "日本語" * 60,
    "QmFzZTY0IGVuY29kZWQgZGF0YSB3aXRob3V0IGFueSBzcGFjZXM" * 6,
]


def random_texts(count: int, length: int, seed: int) -> list[str]:
    """Characters drawn by class, so that classes meet in every order; only characters of long standing (Unicode 10)."""
    rng = random.Random(seed)
    classes = [
        "abcdefghijklmnopqrstuvwxyz",
        "ABCSTDMLVRE",
        "0123456789٣७４²Ⅷ",
        " \t\n\r\u00a0\u3000\u2028\u0085",
        "'\"`.,;:!?()[]{}<>/\\|@#$%^&*-_=+~",
        "éüñçøåßſİǆ",
        "\u0301\u0308\u0323\u0327\u200d\ufeff\u200b",
        "中文字日本語かなカナ한국어",
        "αβγабвאבابহি",
        "😀👍🏽🇯🇵𝒜𠜎",
        "\x00\x01\x1f\x7f\u0080\u009f",
    ]
    texts = []
    for _ in range(count):
        text = ""
        while len(text) < length:
            members = rng.choice(classes)
            text += "".join(rng.choice(members) for _ in range(rng.choice([1, 1, 2, 3, 6])))
        texts.append(text)
    return texts


def corpus() -> list[str]:
    return CODE + WHITE_SPACE + SCRIPTS + MARKS + LONG + random_texts(150, 30, seed=7)
