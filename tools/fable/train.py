# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
import os, sys, time, math, random, json, numpy as np, torch, multiprocessing as mp
sys.path.insert(0,os.path.dirname(__file__)); import synth
W=os.environ.get('WORK','work'); os.makedirs(W,exist_ok=True)
MINUTES=float(os.environ.get('MINUTES','16')); SEQ=768; BATCH=48
# ---- tokenizer
import sentencepiece as spm
sp_path=f'{W}/tokenizer.model'
if not os.path.exists(sp_path):
    r=random.Random(7)
    with open(f'{W}/corpus.txt','w') as f:
        for _ in range(60000):
            if r.random()<.1: f.write(synth.story(r)+'\n'); continue
            for u,m in synth.task(r): f.write(u+'\n'+m+'\n')
    spm.SentencePieceTrainer.train(input=f'{W}/corpus.txt',model_prefix=f'{W}/tokenizer',vocab_size=4096,model_type='bpe',byte_fallback=True,split_digits=True,add_dummy_prefix=False,remove_extra_whitespaces=False,normalization_rule_name='identity',character_coverage=0.9995,pad_id=0,eos_id=1,bos_id=2,unk_id=3,pad_piece='<pad>',eos_piece='<eos>',bos_piece='<bos>',unk_piece='<unk>',control_symbols=['<mask>'],user_defined_symbols=['<start_of_turn>','<end_of_turn>','\n','\n\n'],hard_vocab_limit=False,num_threads=16,max_sentence_length=20000,allow_whitespace_only_pieces=True)
sp=spm.SentencePieceProcessor(model_file=sp_path); V=4096; print('pieces',sp.get_piece_size(),sp.encode('<start_of_turn>user\nTell me a story 42<end_of_turn>\n',out_type=str),flush=True)
# ---- config
from transformers.models.gemma3n.configuration_gemma3n import Gemma3nTextConfig
import transformers.models.gemma3n.modeling_gemma3n as M
L=15; FULL=768; SLICE=512; SKIP={5,6,7,8,9}
def cfg(layers=L,ff=FULL,shared=10): return Gemma3nTextConfig(vocab_size=V,vocab_size_per_layer_input=V,hidden_size=256,hidden_size_per_layer_input=32,intermediate_size=[ff]*layers,num_hidden_layers=layers,num_attention_heads=4,num_key_value_heads=2,head_dim=64,layer_types=(['sliding_attention']*4+['full_attention'])*(layers//5),num_kv_shared_layers=shared,sliding_window=64,max_position_embeddings=4096,laurel_rank=16,activation_sparsity_pattern=[0.95]*5+[0.0]*(layers-5),pad_token_id=0,eos_token_id=1,bos_token_id=2)
MODE={'ff':None,'skip':False}
def mlp_fwd(self,h):
    F=torch.nn.functional; n=MODE['ff'] or self.intermediate_size
    g=F.linear(h,self.gate_proj.weight[:n]); 
    if self.activation_sparsity>0: g=self._gaussian_topk(g)
    return F.linear(self.act_fn(g)*F.linear(h,self.up_proj.weight[:n]),self.down_proj.weight[:,:n])
M.Gemma3nTextMLP.forward=mlp_fwd
_orig=M.Gemma3nTextDecoderLayer.forward
def layer_fwd(self,hidden_states,*a,**k):
    if MODE['skip'] and self.layer_idx in SKIP: return hidden_states
    return _orig(self,hidden_states,*a,**k)
M.Gemma3nTextDecoderLayer.forward=layer_fwd
# ---- data workers
def worker(seed,q):
    r=random.Random(seed); sp=spm.SentencePieceProcessor(model_file=sp_path)
    while True:
        X=np.zeros((BATCH,SEQ+1),np.int32); Y=np.zeros((BATCH,SEQ+1),np.bool_)
        for b in range(BATCH):
            ids=[];tr=[]
            while len(ids)<SEQ+1:
                ids.append(2);tr.append(False)
                if r.random()<.06:
                    t=sp.encode(synth.story(r))+[1]; ids+=t; tr+=[True]*len(t)
                else:
                    turns=synth.task(r)
                    for text,rep in synth.chat(turns):
                        t=sp.encode(text); ids+=t; tr+=[rep]*len(t)
                    ids.append(1);tr.append(True)
            X[b]=ids[:SEQ+1];Y[b]=tr[:SEQ+1]
        q.put((X,Y))
if __name__=='__main__':
    mp.set_start_method('fork'); q=mp.Queue(64)
    ws=[mp.Process(target=worker,args=(1000+i,q),daemon=True) for i in range(12)]; [w.start() for w in ws]
    torch.manual_seed(0); torch.set_float32_matmul_precision('high'); dev='cuda'
    c=cfg(); c._attn_implementation='sdpa'; m=M.Gemma3nForCausalLM(c).to(dev)
    with torch.no_grad():
        for l in m.model.layers: l.altup.correct_output_scale.fill_(1.0)
        m.model.embed_tokens.weight.normal_(0,0.04)
    print('params',sum(p.numel() for p in m.parameters())/1e6,flush=True)
    decay=[p for n,p in m.named_parameters() if p.ndim>=2 and 'embed' not in n]; ids_=set(map(id,decay)); nod=[p for p in m.parameters() if id(p) not in ids_]
    opt=torch.optim.AdamW([{'params':decay,'weight_decay':0.05},{'params':nod,'weight_decay':0.0}],lr=1e-3,betas=(0.9,0.98),fused=True)
    t0=time.time(); step=0; best=None; PEAK=2e-3; ema=None
    total=MINUTES*60
    while True:
        el=time.time()-t0
        if el>total: break
        fr=el/total; lr=PEAK*min(1,(step+1)/300)*(0.5*(1+math.cos(math.pi*fr))*0.98+0.02)
        for g in opt.param_groups: g['lr']=lr
        X,Y=q.get(); x=torch.from_numpy(X).long().to(dev,non_blocking=True); y=torch.from_numpy(Y).to(dev)
        sl=step%2==1; MODE['ff']=SLICE if sl else None; MODE['skip']=sl
        with torch.autocast('cuda',torch.bfloat16):
            lg=m(input_ids=x[:,:-1],use_cache=False).logits
        ce=torch.nn.functional.cross_entropy(lg.float().flatten(0,1),x[:,1:].flatten(),reduction='none'); mk=y[:,1:].flatten().float()
        loss=(ce*mk).sum()/mk.sum()+0.02*ce.mean()
        opt.zero_grad(set_to_none=True); loss.backward(); gn=torch.nn.utils.clip_grad_norm_(m.parameters(),1.0); opt.step()
        if step%100==0 or step%100==1: print(f'{step} {el:.0f}s {"slice" if sl else "full"} loss {(ce*mk).sum().item()/mk.sum().item():.4f} gn {gn.item():.2f} lr {lr:.2e}',flush=True)
        if step%1000==999: torch.save(m.state_dict(),f'{W}/ck.pt')
        step+=1
    torch.save(m.state_dict(),f'{W}/ck.pt'); print('done',step,flush=True)
    [w.terminate() for w in ws]
