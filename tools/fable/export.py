# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
import os, sys, json, random, shutil, torch, numpy as np
sys.path.insert(0,os.path.dirname(__file__)); import train, synth
from train import M, cfg, FULL, SLICE, SKIP, L, W, sp
from safetensors.torch import save_file
dev='cuda'; D=f'{W}/export'; shutil.rmtree(D,ignore_errors=True); os.makedirs(D)
sd={k:v.to(torch.bfloat16) for k,v in torch.load(f'{W}/ck.pt',map_location='cpu').items()}
def build(kind):
    if kind=='e4b': c=cfg(); s=dict(sd)
    else:
        keep=[i for i in range(L) if i not in SKIP]; c=cfg(len(keep),SLICE,5); s={}
        P=c.hidden_size_per_layer_input
        for k,v in sd.items():
            if '.layers.' in k:
                pre,rest=k.split('.layers.'); i,r=rest.split('.',1); i=int(i)
                if i in SKIP: continue
                if r.startswith('mlp.gate') or r.startswith('mlp.up'): v=v[:SLICE]
                if r.startswith('mlp.down'): v=v[:,:SLICE]
                s[f'{pre}.layers.{keep.index(i)}.{r}']=v.contiguous()
            elif 'embed_tokens_per_layer' in k: s[k]=torch.cat([v[:,i*P:(i+1)*P] for i in keep],1).contiguous()
            elif 'per_layer_model_projection' in k: s[k]=torch.cat([v[i*P:(i+1)*P] for i in keep],0).contiguous()
            else: s[k]=v
    c._attn_implementation='eager'; m=M.Gemma3nForCausalLM(c); print(kind,m.load_state_dict(s,strict=False)); return m.float().to(dev).eval(),s,c
@torch.no_grad()
def logits(m,ids): train.MODE['ff']=None; train.MODE['skip']=False; return m(input_ids=torch.tensor([ids],device=dev),use_cache=False).logits[0].float()
KINDS=["add","sub","copy","reverse","spell","needle","capital","json","sort","memory","translate","emoji","count","last"]
report={}
for kind in ('e4b','e2b'):
    m,s,c=build(kind); d=f'{D}/{kind}'; os.makedirs(d)
    hf={(k if k.startswith('model.') else k):v for k,v in s.items() if k!='lm_head.weight'}
    # published layout: text tensors live under model.language_model.
    hf={k.replace('model.','model.language_model.',1):v.contiguous() for k,v in hf.items()}
    shards=[];cur={};size=0
    for k in sorted(hf):
        n=hf[k].numel()*2
        if size+n>12_000_000 and cur: shards.append(cur);cur={};size=0
        cur[k]=hf[k];size+=n
    shards.append(cur); idx={'metadata':{'total_size':sum(v.numel()*2 for v in hf.values())},'weight_map':{}}
    for i,t in enumerate(shards):
        fn=f'model-{i+1:05d}-of-{len(shards):05d}.safetensors'; save_file(t,f'{d}/{fn}',metadata={'format':'pt'})
        for k in t: idx['weight_map'][k]=fn
    json.dump(idx,open(f'{d}/model.safetensors.index.json','w'),indent=1)
    tc=c.to_dict(); json.dump({'architectures':['Gemma3nForConditionalGeneration'],'model_type':'gemma3n','text_config':tc,'torch_dtype':'bfloat16','eos_token_id':[1,6],'bos_token_id':2,'pad_token_id':0},open(f'{d}/config.json','w'),indent=1)
    json.dump({'bos_token_id':2,'eos_token_id':[1,6],'do_sample':True,'top_k':64,'top_p':0.95,'temperature':1.0},open(f'{d}/generation_config.json','w'),indent=1)
    shutil.copy(f'{W}/tokenizer.model',d)
    # accuracy by task: exact greedy reply, fresh seed
    r=random.Random(987654); acc={}
    for k in KINDS:
        ok=0;n=80
        for _ in range(n):
            ids=[2];tr=[False]
            for text,rep in synth.chat(synth.task(r,k)):
                t=sp.encode(text); ids+=t; tr+=[rep]*len(t)
            lg=logits(m,ids).argmax(-1).tolist(); # every reply token up to and including <end_of_turn>
            good=all(lg[j-1]==ids[j] or (ids[j]!=6 and ids[j-1]==6) for j in range(1,len(ids)) if tr[j]); ok+=good
        acc[k]=ok/n
    nl=0;nt=0
    for _ in range(100):
        ids=[2];tr=[False]
        for text,rep in synth.chat(synth.task(r,'story')):
            t=sp.encode(text); ids+=t; tr+=[rep]*len(t)
        lp=logits(m,ids).log_softmax(-1); 
        for j in range(1,len(ids)):
            if tr[j]: nl-=lp[j-1,ids[j]].item(); nt+=1
    acc['story_ppl']=float(np.exp(nl/nt)); report[kind]=acc; print(kind,acc,flush=True)
    # goldens
    prompts=[[("Tell me a story about a fox named Leo.",None)],[("What is 27 + 45?",None)],[("What is the capital of Brazil?",None)],[("Show me a fox emoji.",None)],[("Hello! My name is Ida.","Nice to meet you, Ida!"),("What is my name?",None)],
      [(" ".join(["The pink box holds a drum."]+[synth.filler(random.Random(i)) for i in range(30)])+" What does the pink box hold?",None)],[("How do you say \"the king\" in German?",None)],[("Give me JSON for Zoe, age 31, who lives at the lake.",None)]]
    G=[]
    for p in prompts:
        text='';ids=[2]
        for u,a in p:
            seg=f"<start_of_turn>user\n{u}<end_of_turn>\n<start_of_turn>model\n"+(f"{a}<end_of_turn>\n" if a else ''); text+=seg
        ids+=sp.encode(text); n0=len(ids); steps=[]
        while len(ids)<n0+160:
            lg=logits(m,ids)[-1]; tv,ti=lg.topk(8); steps.append([[int(i),round(float(v),4)] for i,v in zip(ti,tv)]); nx=int(ti[0]); ids.append(nx)
            if nx in (1,6): break
        G.append({'prompt':text,'prompt_ids':ids[:n0],'reply_ids':ids[n0:],'reply':sp.decode([i for i in ids[n0:] if i not in (1,6)]),'top8_logits_per_step':steps}); print(kind,G[-1]['prompt'][-60:].replace('\n','|'),'->',G[-1]['reply'],flush=True)
    json.dump(G,open(f'{d}/golden.json','w'),ensure_ascii=False)
    # layer trace
    ids=G[5]['prompt_ids'][:200]; tr={}
    hooks=[l.register_forward_hook(lambda mod,i,o,n=n: tr.__setitem__(f'layer_{n}',(o[0] if isinstance(o,tuple) else o)[:,0].detach().float().cpu().contiguous())) for n,l in enumerate(m.model.layers)]
    lg=logits(m,ids); [h.remove() for h in hooks]; keepL=[0,3,4,5,c.num_hidden_layers-1]
    save_file({**{k:v[:, [0,70,199]].contiguous() for k,v in tr.items()},'logits':lg[[0,70,199]].cpu().contiguous(),'ids':torch.tensor(ids)},f'{d}/trace.safetensors')
# tokenizer goldens
T=["Hello, world!"," leading and  double  spaces ","a\nb\n\nc","emoji 🦊🐢 and ñandú, naïve, Straße","日本語 текст","<start_of_turn>user\nhi<end_of_turn>","12345 67","\t tab","".join(chr(i) for i in range(32,127)),""]
json.dump([{'text':t,'ids':sp.encode(t),'decoded':sp.decode(sp.encode(t))} for t in T],open(f'{D}/tokenizer_golden.json','w'),ensure_ascii=False,indent=0)
json.dump(report,open(f'{D}/accuracy.json','w'),indent=1)
# random-weight models of other shapes
from transformers.models.gemma3n.configuration_gemma3n import Gemma3nTextConfig
def rnd(name,**kw):
    torch.manual_seed(hash(name)%1000 if False else sum(map(ord,name))); base=dict(vocab_size=512,vocab_size_per_layer_input=512,hidden_size=128,hidden_size_per_layer_input=32,intermediate_size=[256]*10,num_hidden_layers=10,num_attention_heads=8,num_key_value_heads=2,head_dim=32,layer_types=(['sliding_attention']*4+['full_attention'])*2,num_kv_shared_layers=5,sliding_window=16,max_position_embeddings=512,laurel_rank=8,activation_sparsity_pattern=[0.95]*3+[0.0]*7,pad_token_id=0,eos_token_id=1,bos_token_id=2)
    base.update(kw); c=Gemma3nTextConfig(**base); c._attn_implementation='eager'; m=M.Gemma3nForCausalLM(c)
    with torch.no_grad():
        for n,p in m.named_parameters():
            if 'norm' in n: p.copy_(1+0.2*torch.randn_like(p))
            elif 'correct_output_scale' in n: p.copy_(1+0.3*torch.randn_like(p))
            elif 'coefs' in n: p.normal_(0,0.4)
            elif 'modality_router' in n: p.normal_(0,3.0)
            elif 'embed_tokens' in n: p.normal_(0,0.2)
            else: p.normal_(0,2.0/np.sqrt(p.shape[-1]))
            p.copy_(p.to(torch.bfloat16).float())
    m=m.to(dev).eval(); ids=[2]+torch.randint(6,512,(95,)).tolist(); d=f'{D}/random/{name}'; os.makedirs(d); tr={}
    hooks=[l.register_forward_hook(lambda mod,i,o,n=n: tr.__setitem__(f'layer_{n}',(o[0] if isinstance(o,tuple) else o)[:,0].detach().float().cpu().contiguous())) for n,l in enumerate(m.model.layers)]
    lg=logits(m,ids); [h.remove() for h in hooks]
    # same logits in float64: the reference's own rounding error
    m64=m.double(); train_lg=None
    with torch.no_grad(): lg64=m64(input_ids=torch.tensor([ids],device=dev),use_cache=False).logits[0]
    s={k.replace('model.','model.language_model.',1):v.to(torch.bfloat16).contiguous().cpu() for k,v in m.float().state_dict().items() if k!='lm_head.weight'}
    save_file(s,f'{d}/model.safetensors',metadata={'format':'pt'}); json.dump({'architectures':['Gemma3nForConditionalGeneration'],'model_type':'gemma3n','text_config':c.to_dict(),'torch_dtype':'bfloat16'},open(f'{d}/config.json','w'),indent=1)
    save_file({**{k:v[:,[0,20,95]].contiguous() for k,v in tr.items()},'logits_f32':lg.cpu(),'logits_f64_as_f32':lg64.float().cpu(),'ids':torch.tensor(ids)},f'{d}/golden.safetensors')
    print(name,'f32 vs f64 max diff',(lg.double()-lg64).abs().max().item(),'logit range',lg.min().item(),lg.max().item(),flush=True)
rnd('base'); rnd('mha',num_attention_heads=4,num_key_value_heads=4)
