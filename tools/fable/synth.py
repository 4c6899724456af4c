# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Deterministic synthetic chat corpus: short tasks with checkable answers, plus templated stories."""
import random
ANIMALS="cat dog fox bear owl rabbit mouse horse duck frog turtle lion tiger monkey goat pig hen wolf deer bee".split()
NAMES="Tom Ann Max Lily Sam Mia Ben Zoe Leo Eva Tim Ida Jack Rose Finn Nora Hugo Ella Otis Ruby Theo Cleo Gus Pip".split()
COLORS="red blue green yellow white black brown pink gray orange purple golden".split()
OBJECTS="ball kite book lamp apple cake hat boat drum key bell cup stone leaf star coin ring box map flute".split()
PLACES="forest river garden hill beach village meadow lake farm castle cave market bridge island tower".split()
ADJ="small big happy brave kind shy quick slow clever gentle lazy proud quiet funny old young".split()
WEATHER="sunny rainy windy snowy cloudy foggy warm cold".split()
FOOD="bread honey soup cheese berries carrots fish nuts pie milk corn plums".split()
CAP={"France":"Paris","Germany":"Berlin","Italy":"Rome","Spain":"Madrid","Portugal":"Lisbon","Japan":"Tokyo","China":"Beijing","India":"New Delhi","Egypt":"Cairo","Kenya":"Nairobi","Canada":"Ottawa","Mexico":"Mexico City","Peru":"Lima","Chile":"Santiago","Brazil":"Brasília","Argentina":"Buenos Aires","Norway":"Oslo","Sweden":"Stockholm","Finland":"Helsinki","Denmark":"Copenhagen","Poland":"Warsaw","Austria":"Vienna","Greece":"Athens","Turkey":"Ankara","Russia":"Moscow","Ireland":"Dublin","England":"London","Scotland":"Edinburgh","Belgium":"Brussels","Cuba":"Havana","Thailand":"Bangkok","Vietnam":"Hanoi","Iran":"Tehran","Iraq":"Baghdad","Nepal":"Kathmandu","Iceland":"Reykjavík","Hungary":"Budapest","Romania":"Bucharest","Ghana":"Accra","Morocco":"Rabat"}
EMO={"cat":"🐱","dog":"🐶","fox":"🦊","bear":"🐻","owl":"🦉","rabbit":"🐰","mouse":"🐭","horse":"🐴","duck":"🦆","frog":"🐸","turtle":"🐢","lion":"🦁","tiger":"🐯","monkey":"🐵","goat":"🐐","pig":"🐷","hen":"🐔","wolf":"🐺","deer":"🦌","bee":"🐝"}
FR={"cat":"le chat","dog":"le chien","horse":"le cheval","house":"la maison","tree":"l'arbre","book":"le livre","apple":"la pomme","school":"l'école","child":"l'enfant","bird":"l'oiseau","bear":"l'ours","star":"l'étoile","king":"le roi","queen":"la reine","boy":"le garçon","girl":"la fille","cake":"le gâteau","coffee":"le café"}
ES={"cat":"el gato","dog":"el perro","horse":"el caballo","house":"la casa","tree":"el árbol","book":"el libro","apple":"la manzana","school":"la escuela","child":"el niño","bird":"el pájaro","bear":"el oso","star":"la estrella","king":"el rey","queen":"la reina","boy":"el chico","girl":"la chica","cake":"el pastel","coffee":"el café"}
DE={"cat":"die Katze","dog":"der Hund","horse":"das Pferd","house":"das Haus","tree":"der Baum","book":"das Buch","apple":"der Apfel","school":"die Schule","child":"das Kind","bird":"der Vogel","bear":"der Bär","star":"der Stern","king":"der König","queen":"die Königin","boy":"der Junge","girl":"das Mädchen","cake":"der Kuchen","coffee":"der Kaffee"}
LANG={"French":FR,"Spanish":ES,"German":DE}
WORDS=sorted(set(ANIMALS+COLORS+OBJECTS+PLACES+ADJ+FOOD))
def art(w): return ("an " if w[0] in "aeiou" else "a ")+w
def story(r,animal=None,name=None):
    a=animal or r.choice(ANIMALS); n=name or r.choice(NAMES); f=r.choice([x for x in NAMES if x!=n]); b=r.choice([x for x in ANIMALS if x!=a])
    o=r.choice(OBJECTS); c=r.choice(COLORS); p=r.choice(PLACES); q=r.choice([x for x in PLACES if x!=p]); ad=r.choice(ADJ); ad2=r.choice([x for x in ADJ if x!=ad]); w=r.choice(WEATHER); fd=r.choice(FOOD)
    s=[r.choice([f"Once upon a time there was {art(ad)} {a} named {n}.",f"In {art(p)} there lived {art(ad)} {a} called {n}.",f"There was once {art(a)} named {n} who was very {ad}."]),
       r.choice([f"{n} lived near the {p} and loved {fd}.",f"Every morning {n} ate {fd} and walked to the {p}.",f"{n} had {art(c)} {o} and took it everywhere."]),
       r.choice([f"One {w} day, {n} lost the {c} {o} near the {q}.",f"One {w} day, {n} could not find the {c} {o}.",f"One {w} day, the {c} {o} fell into the {q}."]),
       r.choice([f"{n} was sad and began to look for it.",f"{n} looked under a stone and behind a tree, but the {o} was not there.",f"\"Where is my {o}?\" asked {n}."]),
       r.choice([f"Then {art(ad2)} {b} named {f} came by.",f"Just then, {f} the {b} heard the noise.",f"Soon {f}, {art(ad2)} {b}, came to help."]),
       r.choice([f"\"I can help you,\" said {f}.",f"\"Do not cry,\" said {f}. \"We will find it together.\"",f"{f} said, \"I saw {art(c)} {o} at the {q}.\""]),
       r.choice([f"They walked to the {q} and looked all day.",f"They went to the {q}, and {f} looked high and low.",f"{n} and {f} ran to the {q} as fast as they could."]),
       r.choice([f"At last they found the {c} {o}.",f"There, by the water, was the {c} {o}.",f"Under a big leaf they saw the {c} {o}."]),
       r.choice([f"{n} was so happy and gave {f} some {fd}.",f"\"Thank you, {f}!\" said {n}, and they shared the {fd}.",f"{n} hugged {f}, and they danced until night."]),
       r.choice([f"From that day on, {n} and {f} were best friends.",f"And {n} the {a} was never alone again.",f"The {a} and the {b} were friends for ever."])]
    return " ".join(s)
def filler(r):
    return r.choice([f"The {r.choice(ADJ)} {r.choice(ANIMALS)} walked to the {r.choice(PLACES)}.",f"It was {art(r.choice(WEATHER))} day at the {r.choice(PLACES)}.",f"{r.choice(NAMES)} ate {r.choice(FOOD)} by the {r.choice(PLACES)}.",f"A {r.choice(ADJ)} {r.choice(ANIMALS)} and a {r.choice(ADJ)} {r.choice(ANIMALS)} played all day."])
def words(r,k): return [r.choice(WORDS) for _ in range(k)]
def task(r,kind=None):
    k=kind or r.choices(["story","add","sub","copy","reverse","spell","needle","capital","json","sort","memory","translate","emoji","count","last"],[16,12,6,8,6,5,12,8,7,7,6,8,3,4,4])[0]
    if k=="story":
        a=r.choice(ANIMALS); n=r.choice(NAMES); return [(r.choice([f"Tell me a story about {art(a)} named {n}.",f"Write a short story about {n} the {a}.",f"Please tell me a story about {n}, {art(a)}."]),story(r,a,n))]
    if k=="add":
        x,y=r.randint(0,99),r.randint(0,99); return [(r.choice([f"What is {x} + {y}?",f"Add {x} and {y}."]),f"{x} + {y} = {x+y}.")]
    if k=="sub":
        x,y=sorted([r.randint(0,99),r.randint(0,99)],reverse=True); return [(f"What is {x} - {y}?",f"{x} - {y} = {x-y}.")]
    if k=="copy":
        w=" ".join(words(r,r.randint(2,9))); return [(f"Repeat: {w}",w)]
    if k=="reverse":
        w=words(r,r.randint(2,6)); return [(f"Reverse the words: {' '.join(w)}"," ".join(w[::-1]))]
    if k=="spell":
        w=r.choice(WORDS); return [(f"Spell {w}.","-".join(w))]
    if k=="needle":
        cs=r.sample(COLORS,r.randint(1,4)); os=[r.choice(OBJECTS) for _ in cs]; facts=[f"The {c} box holds {art(o)}." for c,o in zip(cs,os)]
        body=[filler(r) for _ in range(r.choice([0,2,5,10,20,40]))]
        for f in facts: body.insert(r.randint(0,len(body)),f)
        i=r.randrange(len(cs)); return [(" ".join(body)+f" What does the {cs[i]} box hold?",f"The {cs[i]} box holds {art(os[i])}.")]
    if k=="capital":
        c=r.choice(list(CAP)); return [(r.choice([f"What is the capital of {c}?",f"Name the capital of {c}."]),f"The capital of {c} is {CAP[c]}.")]
    if k=="json":
        n=r.choice(NAMES); g=r.randint(1,99); p=r.choice(PLACES); return [(f"Give me JSON for {n}, age {g}, who lives at the {p}.",'{"name": "%s", "age": %d, "home": "%s"}'%(n,g,p))]
    if k=="sort":
        v=[r.randint(0,99) for _ in range(r.randint(2,6))]; return [("Sort these numbers: "+" ".join(map(str,v))," ".join(map(str,sorted(v))))]
    if k=="memory":
        n=r.choice(NAMES); f=r.choice(FOOD); c=r.choice(COLORS)
        t=[(f"Hello! My name is {n}.",f"Nice to meet you, {n}!")]
        if r.random()<.6: t.append((f"I like {f} and the color {c}.",f"I like {f} too."))
        q=r.choice(["name","food","color"]) if len(t)>1 else "name"
        t.append({"name":("What is my name?",f"Your name is {n}."),"food":("What food do I like?",f"You like {f}."),"color":("Which color do I like?",f"You like the color {c}.")}[q]); return t
    if k=="translate":
        l=r.choice(list(LANG)); w=r.choice(list(FR)); return [(f"How do you say \"the {w}\" in {l}?",f"\"{LANG[l][w]}\"")]
    if k=="emoji":
        a=r.choice(ANIMALS); return [(f"Show me {art(a)} emoji.",EMO[a])]
    if k=="count":
        w=words(r,r.randint(1,9)); return [(f"How many words are here: {' '.join(w)}",str(len(w)))]
    if k=="last":
        w=words(r,r.randint(2,9)); return [(f"What is the last word of: {' '.join(w)}",w[-1])]
def chat(turns):
    "list of (text, is_reply)"
    out=[]
    for u,m in turns: out.append((f"<start_of_turn>user\n{u}<end_of_turn>\n<start_of_turn>model\n",False)); out.append((f"{m}<end_of_turn>\n",True))
    return out
